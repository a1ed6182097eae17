"""rilctl: compact vision-language models as good as large ones, by reinforcement and imitation learning (RIL)."""

__version__ = "0.1.0"
