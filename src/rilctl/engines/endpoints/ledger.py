"""What an endpoint was asked and what it counted: calls, tokens, cost."""

import threading
from dataclasses import dataclass, field

from rilctl.config.endpoints import EndpointConfig
from rilctl.engines.generation.base import Usage


def cost_of(endpoint: EndpointConfig, usage: Usage) -> float | None:
    """The price of some tokens, or None where the recipe names no prices."""
    if endpoint.input_price is None or endpoint.output_price is None:
        return None
    return (usage.input_tokens * endpoint.input_price + usage.output_tokens * endpoint.output_price) / 1e6


@dataclass
class Ledger:
    """Counts of one process; threads may write at once."""

    num_calls: int = 0
    """Requests that were sent, retries included."""
    num_answers: int = 0
    """Of them, how many were answered with a usable text."""
    num_uncounted: int = 0
    """Replies whose tokens the endpoint did not count."""
    usage: Usage = field(default_factory=Usage)
    """Tokens that the endpoint counted, also of replies that could not be used: they were paid for."""
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def sent(self) -> None:
        """A request goes out."""
        with self._lock:
            self.num_calls += 1

    def not_sent(self) -> None:
        """It didn't: nobody was there."""
        with self._lock:
            self.num_calls -= 1

    def counted(self, usage: Usage | None) -> None:
        """A reply came, with the endpoint's count of tokens."""
        with self._lock:
            if usage is None:
                self.num_uncounted += 1
            else:
                self.usage += usage

    def answered(self) -> None:
        """A reply was usable."""
        with self._lock:
            self.num_answers += 1

    def line(self, endpoint: EndpointConfig) -> str:
        """What a person reads at the end of a run."""
        usage = self.usage
        text = f"{self.num_calls:,} calls, {self.num_answers:,} answers"
        text += f", {usage.input_tokens:,} input and {usage.output_tokens:,} output tokens"
        if self.num_uncounted:
            text += f" ({self.num_uncounted:,} replies came without a count)"
        cost = cost_of(endpoint, usage)
        return text if cost is None else f"{text}, cost {cost:.4f}"
