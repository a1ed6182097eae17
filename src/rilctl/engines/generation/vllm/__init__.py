"""vLLM: in this process or behind a server, with proof of the weights and pixels that it samples from."""
