"""Read: which part of a response is its one final answer."""
