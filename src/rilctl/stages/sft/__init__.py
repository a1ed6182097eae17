"""`sft`: the student learns answers by heart."""
