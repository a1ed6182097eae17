"""The only room that loads models: students, teachers, discriminators, adapters, and the forward passes."""
