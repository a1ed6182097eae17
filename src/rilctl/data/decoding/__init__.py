"""From the bytes of a file to a picture in RGB, or to what the file is instead."""
