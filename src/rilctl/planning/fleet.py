"""A step on very many GPUs: weights to the samplers, pictures to everyone, the slowest response, ZeRO's traffic.

First-order formulas: bytes over bandwidth, and the expected largest of many responses. They say which limit comes
first, not how long a step takes.
"""

from dataclasses import dataclass
from math import exp

BASE64 = 4 / 3
"""Bytes of a picture in a data URL, for each of its own."""


@dataclass(frozen=True)
class Fleet:
    """A fleet and what is asked of it.

    Args:
        trainers: GPUs that train.
        samplers: GPUs that sample.
        gpus_per_host: on every host.
        parameters: of the student.
        weight_bytes: of a weight as it is sent.
        questions: of a step.
        rows: rollouts of a question.
        mean_tokens: of a response.
        max_tokens: of a response.
        image_bytes: of a picture's file.
        pixel_bytes: of a picture as the vision tower reads it.
        request_cpu_s: CPU seconds of the process that asks for one rollout, its picture in the request.
        image_cpu_s: CPU seconds to decode and process a picture.
        workers: processes that do it, on each host.
        token_s: seconds of one decoding step of a full batch.
        nic_bytes_per_s: of one GPU's network link.
        host_bytes_per_s: of a host's link for everything else.
        disk_bytes_per_s: of the shared file system, over all readers.
    """

    trainers: int
    samplers: int
    gpus_per_host: int
    parameters: float
    weight_bytes: int
    questions: int
    rows: int
    mean_tokens: float
    max_tokens: int
    image_bytes: float
    pixel_bytes: float
    request_cpu_s: float
    image_cpu_s: float
    workers: int
    token_s: float
    nic_bytes_per_s: float
    host_bytes_per_s: float
    disk_bytes_per_s: float

    @property
    def weights(self) -> float:
        """Bytes of the student."""
        return self.parameters * self.weight_bytes

    def broadcast_s(self) -> float:
        """Weights to all samplers in a pipelined broadcast: each link carries them once, however many there are."""
        return self.weights / self.nic_bytes_per_s

    def disk_s(self) -> float:
        """Weights through files: written once, read once by each sampling host."""
        return self.weights * (1 + self.samplers / self.gpus_per_host) / self.disk_bytes_per_s

    def zero3_s(self) -> float:
        """ZeRO-3 of one micro-batch: weights gathered for forward and for backward, gradients reduced and scattered."""
        return 3 * self.weights / self.nic_bytes_per_s

    def image_send_s(self) -> float:
        """A step's pictures out of the hosts that train, as data URLs, each once for its question."""
        hosts = self.trainers / self.gpus_per_host
        return self.questions * self.image_bytes * BASE64 / (hosts * self.host_bytes_per_s)

    def asking_s(self) -> float:
        """Each rank writes the requests of its own questions; at most, as if each had its picture in it."""
        return self.questions * self.rows * self.request_cpu_s / self.trainers

    def image_cpu_wall_s(self) -> float:
        """A step's pictures through the image processor, on the hosts that train."""
        hosts = self.trainers / self.gpus_per_host
        return self.questions * self.image_cpu_s / (hosts * self.workers)

    def pixel_bytes_per_host(self) -> float:
        """Processed pictures of a step, on each host that trains."""
        return self.questions * self.pixel_bytes / (self.trainers / self.gpus_per_host)

    def longest_tokens(self) -> float:
        """Expected length of a step's longest response."""
        return expected_longest(self.questions * self.rows, self.mean_tokens, self.max_tokens)

    def rollout_s(self) -> float:
        """A synchronous step waits for its longest response."""
        return self.longest_tokens() * self.token_s

    def busy_share(self) -> float:
        """Of a sampler's time in a synchronous step, if nothing takes the place of what has ended."""
        return self.mean_tokens / self.longest_tokens()


def expected_longest(num: int, mean: float, limit: float) -> float:
    """Expected maximum of `num` exponential lengths of this mean, each cut at `limit`.

    The integral of P(maximum > x) = 1 - (1 - exp(-x / mean))^num from 0 to `limit`; without a limit it is
    mean x (1 + 1/2 + ... + 1/num).
    """
    steps = 2_000
    width = limit / steps
    return sum(1 - (1 - exp(-(index + 0.5) * width / mean)) ** num for index in range(steps)) * width


def mean_cut(mean: float, limit: float) -> float:
    """Mean of exponential lengths of this mean, each cut at `limit`."""
    return expected_longest(1, mean, limit)


def batch_share(places: int, mean: float, limit: float) -> float:
    """Busy share of places that all wait for the longest of their answers before they are taken anew."""
    return mean_cut(mean, limit) / expected_longest(places, mean, limit)


def fed_share(num: int, places: int, mean: float, limit: float) -> float:
    """Busy share of places that are taken anew as answers come, until the last of `num` has come.

    All are busy until the last answer is begun, and then the longest rest of those under way is waited for. After some
    turns a rest is distributed as P(length > x) / mean length (the equilibrium distribution of renewal theory), which
    is the exponential distribution, cut at `limit` by leaving out what is longer.

    Args:
        num: answers; several for each place, or the turns are too few for an equilibrium.
        places: under way at once.
        mean: of a length that isn't cut.
        limit: where it is cut.
    """
    steps = 2_000
    width, whole = limit / steps, 1 - exp(-limit / mean)
    left = sum(1 - ((1 - exp(-(index + 0.5) * width / mean)) / whole) ** places for index in range(steps)) * width
    work = num * mean_cut(mean, limit) / places
    return work / (work - _mean_left(mean, limit) + left)


def _mean_left(mean: float, limit: float) -> float:
    """Mean rest of an answer under way: E[length^2] / 2 E[length]."""
    return mean - limit * exp(-limit / mean) / (1 - exp(-limit / mean))


def step_s(sampling_s: float, learning_s: float, transfer_s: float, *, one_step_off: bool) -> float:
    """One step: the phases one after the other, or sampling of the next step beside the learning of this one."""
    together = max(sampling_s, learning_s) if one_step_off else sampling_s + learning_s
    return together + transfer_s
