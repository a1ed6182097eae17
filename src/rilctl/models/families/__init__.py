"""What sets one family of models apart from another: a file for each."""
