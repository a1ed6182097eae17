"""What is found out about a data set once, and kept for later starts: the digests of its pictures, its rows."""
