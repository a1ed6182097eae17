"""What a report says, gathered from runs as they stand on disk: a file for each part, none of which writes."""
