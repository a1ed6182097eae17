"""What libraries don't promise and rilctl uses all the same: a module for each library, each use with a reason."""
