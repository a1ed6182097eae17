"""`pretrain-disc`: the discriminator learns to tell the student from its teachers."""
