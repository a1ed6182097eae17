"""First-order formulas against small simulations of what they describe."""

import base64
import heapq
import random
from dataclasses import replace
from statistics import fmean

import pytest

from rilctl.engines.training.ranks import share
from rilctl.planning.fleet import Fleet, batch_share, expected_longest, fed_share, step_s

FLEET = Fleet(
    trainers=16,
    samplers=16,
    gpus_per_host=8,
    parameters=5e9,
    weight_bytes=2,
    questions=160,
    rows=4,
    mean_tokens=100,
    max_tokens=1_000,
    image_bytes=300e3,
    pixel_bytes=20e6,
    request_cpu_s=0.002,
    image_cpu_s=0.1,
    workers=5,
    token_s=0.02,
    nic_bytes_per_s=50e9,
    host_bytes_per_s=10e9,
    disk_bytes_per_s=2e9,
)
NUM_HOSTS = 2


def mean_longest(num: int, mean: float, limit: float, *, draws: int = 4_000) -> float:
    """Of `num` exponential lengths, each cut, as drawn."""
    dice = random.Random(0)
    longest = (max(min(limit, dice.expovariate(1 / mean)) for _ in range(num)) for _ in range(draws))
    return sum(longest) / draws


@pytest.mark.parametrize(("num", "mean", "limit"), [(1, 10, 1_000), (5, 10, 1_000), (40, 100, 300), (400, 100, 500)])
def test_the_longest_of_many_responses(num: int, mean: float, limit: float) -> None:
    # 4 standard errors of the mean of 4,000 draws, whose deviation is the exponential's at most
    assert expected_longest(num, mean, limit) == pytest.approx(mean_longest(num, mean, limit), abs=4 * mean / 63)


def test_a_sampler_waits_for_the_longest_response() -> None:
    dice, busy = random.Random(0), []
    for _ in range(400):
        tokens = [min(FLEET.max_tokens, dice.expovariate(1 / FLEET.mean_tokens)) for _ in range(FLEET.questions * 4)]
        busy.append(sum(tokens) / len(tokens) / max(tokens))
    assert FLEET.busy_share() == pytest.approx(
        sum(busy) / len(busy), rel=0.05
    )  # a ratio of means, not a mean of ratios
    assert FLEET.rollout_s() == pytest.approx(FLEET.token_s * FLEET.mean_tokens / FLEET.busy_share(), rel=1e-9)


def chain_s(num_samplers: int, num_chunks: int) -> float:
    """Samplers hand chunks of the weights on to the next, each as soon as it has one and its link is free."""
    chunk_s = FLEET.weights / num_chunks / FLEET.nic_bytes_per_s
    arrived = [0.0] * num_chunks  # at the trainer
    for _ in range(num_samplers):
        free = 0.0
        for chunk, at in enumerate(arrived):
            free = arrived[chunk] = max(at, free) + chunk_s
    return arrived[-1]


def test_a_pipelined_broadcast_takes_as_long_for_many_as_for_one() -> None:
    assert FLEET.broadcast_s() == pytest.approx(chain_s(1, 10_000), rel=1e-9)
    assert FLEET.broadcast_s() == pytest.approx(chain_s(160, 10_000), rel=0.02)  # the chain is 160 chunks long
    assert replace(FLEET, samplers=160).broadcast_s() == FLEET.broadcast_s()


def ring_bytes(num_ranks: int) -> float:
    """What crosses one link where each rank hands on to the next all that it doesn't own, piece by piece."""
    return (num_ranks - 1) * FLEET.weights / num_ranks


def test_zero_3_gathers_twice_and_reduces_once() -> None:
    exact_s = 3 * ring_bytes(FLEET.trainers) / FLEET.nic_bytes_per_s
    assert exact_s < FLEET.zero3_s() < exact_s * (1 + 1.01 / (FLEET.trainers - 1))


def test_files_are_written_once_and_read_by_every_host_that_samples() -> None:
    readers = {gpu // FLEET.gpus_per_host for gpu in range(FLEET.samplers)}
    moved = FLEET.weights + sum(FLEET.weights for _ in readers)
    assert FLEET.disk_s() == pytest.approx(moved / FLEET.disk_bytes_per_s)


def test_pictures_leave_hosts_as_data_urls() -> None:
    picture = base64.b64encode(bytes(int(FLEET.image_bytes)))
    sent = [len(share(range(FLEET.questions), host, NUM_HOSTS)) * len(picture) for host in range(NUM_HOSTS)]
    assert FLEET.image_send_s() == pytest.approx(max(sent) / FLEET.host_bytes_per_s, rel=1e-4)  # and its padding


def test_processors_share_the_questions() -> None:
    asked = [len(share(range(FLEET.questions), rank, FLEET.trainers)) * FLEET.rows for rank in range(FLEET.trainers)]
    assert FLEET.asking_s() == pytest.approx(max(asked) * FLEET.request_cpu_s)
    workers = NUM_HOSTS * FLEET.workers
    drawn = [len(share(range(FLEET.questions), worker, workers)) for worker in range(workers)]
    assert FLEET.image_cpu_wall_s() == pytest.approx(max(drawn) * FLEET.image_cpu_s)
    held = len(share(range(FLEET.questions), 0, NUM_HOSTS))
    assert FLEET.pixel_bytes_per_host() == pytest.approx(held * FLEET.pixel_bytes)


@pytest.mark.parametrize(("sampling_s", "learning_s"), [(30.0, 20.0), (20.0, 30.0)])
def test_one_step_off_hides_the_shorter_phase(sampling_s: float, learning_s: float) -> None:
    """Weights are handed over when a step is learned and the next one is sampled, which nobody does meanwhile."""
    num_steps, transfer_s = 200, 1.0
    now = sampled = sampling_s  # the first rollouts
    for _ in range(num_steps):
        sampled, learned = now + sampling_s, now + learning_s
        now = max(sampled, learned) + transfer_s
    per_step_s = (now - sampling_s) / num_steps
    assert step_s(sampling_s, learning_s, transfer_s, one_step_off=True) == pytest.approx(per_step_s)
    assert step_s(sampling_s, learning_s, transfer_s, one_step_off=False) == sampling_s + learning_s + transfer_s


@pytest.mark.parametrize("num", [320, 640, 5_120])
def test_busy_share_of_places_that_are_taken_anew(num: int):
    chance, places, shares = random.Random(num), 64, []
    for _ in range(60):
        lengths = [min(1_024.0, chance.expovariate(1 / 250)) for _ in range(num)]
        free = [0.0] * places
        for length in lengths:
            heapq.heapreplace(free, free[0] + length)
        shares.append(sum(lengths) / (places * max(free)))
    assert fed_share(num, places, 250, 1_024) == pytest.approx(fmean(shares), rel=0.02)  # a mean of 60


def test_busy_share_of_places_that_wait_for_their_longest():
    chance, shares = random.Random(0), []
    for _ in range(400):
        lengths = [min(1_024.0, chance.expovariate(1 / 250)) for _ in range(256)]
        shares.append(fmean(lengths) / max(lengths))
    assert batch_share(256, 250, 1_024) == pytest.approx(fmean(shares), rel=0.01)
