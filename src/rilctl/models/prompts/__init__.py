"""A question and its pictures as a model reads them: encoded, kept, made ahead, their sizes."""
