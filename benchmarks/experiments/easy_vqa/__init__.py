"""Pictures and questions that nobody here wrote: the package easy-vqa, as rows, models and teachers of pocket size."""
