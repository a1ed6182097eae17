"""Where the next limits are on 1,000 GPUs: arithmetic on bandwidths that are assumed and CPU times that were measured.

    python benchmarks/fleet.py [--json | --measure]

A 7B student, 512 GPUs that train and 488 that sample, 4,096 questions of 8 rollouts. The assumptions are the fields
below; the figure for the image processor is that of benchmarks/ahead.py on one core, that of a request is what
`--measure` finds. The last rows are shares of busy places in batches of 256 and 32, fed for 40 and 8 turns, and of a
judge with 16 and 256 places between two checks. The tables are in docs/scaling.md.
"""

import argparse
import base64
import json
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2

from rilctl.planning.fleet import Fleet, batch_share, fed_share, step_s

FLEET = Fleet(
    trainers=512,
    samplers=488,
    gpus_per_host=8,
    parameters=8.3e9,
    weight_bytes=2,
    questions=4_096,
    rows=8,
    mean_tokens=250,
    max_tokens=2_048,
    image_bytes=300e3,
    pixel_bytes=18.8e6,
    request_cpu_s=0.0015,
    image_cpu_s=0.083,
    workers=4,
    token_s=0.025,
    nic_bytes_per_s=50e9,
    host_bytes_per_s=12.5e9,
    disk_bytes_per_s=20e9,
)
ADAPTER_PARAMETERS = 40e6
LEARNING_S = 40.0
"""Assumed seconds of discriminator, reference and policy on 512 GPUs."""
TEACHER_TOKENS, TEACHER_MOST = 250, 1_024
"""Of a teacher's or a judge's answer, in the mean and at most."""


def figures(fleet: Fleet) -> dict[str, float]:
    """What the formulas give."""
    adapter = ADAPTER_PARAMETERS * fleet.weight_bytes / fleet.nic_bytes_per_s
    sampling, transfer = fleet.rollout_s(), fleet.broadcast_s()
    return {
        "weights_gb": fleet.weights / 1e9,
        "broadcast_s": transfer,
        "disk_s": fleet.disk_s(),
        "adapter_broadcast_s": adapter,
        "zero3_micro_batch_s": fleet.zero3_s(),
        "image_send_s": fleet.image_send_s(),
        "asking_s": fleet.asking_s(),
        "image_cpu_wall_s": fleet.image_cpu_wall_s(),
        "pixels_per_host_gb": fleet.pixel_bytes_per_host() / 1e9,
        "longest_response_tokens": fleet.longest_tokens(),
        "rollout_s": sampling,
        "sampler_busy_share": fleet.busy_share(),
        "batch_256_busy_share": batch_share(256, TEACHER_TOKENS, TEACHER_MOST),
        "batch_32_busy_share": batch_share(32, TEACHER_TOKENS, TEACHER_MOST),
        "fed_40_turns_busy_share": fed_share(40 * 64, 64, TEACHER_TOKENS, TEACHER_MOST),
        "fed_8_turns_busy_share": fed_share(8 * 64, 64, TEACHER_TOKENS, TEACHER_MOST),
        "judge_16_busy_share": fed_share(2_000, 16, TEACHER_TOKENS, TEACHER_MOST),
        "judge_256_busy_share": fed_share(2_000, 256, TEACHER_TOKENS, TEACHER_MOST),
        "step_s": step_s(sampling, LEARNING_S, transfer, one_step_off=False),
        "step_one_off_s": step_s(sampling, LEARNING_S, transfer, one_step_off=True),
    }


class _Sink(BaseHTTPRequestHandler):
    """Reads a request, and has nothing to say."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """See `BaseHTTPRequestHandler`."""
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


def measured_request_cpu_s(image_bytes: int, num: int = 200) -> float:
    """CPU seconds of the thread that writes a request with a picture of this size and sends it to a local server."""
    picture = base64.b64encode(os.urandom(image_bytes)).decode()
    parts = [{"type": "image_url", "url": f"data:image/jpeg;base64,{picture}"}]
    body = {"token_ids": list(range(1_200)), "content_parts": parts}
    with ThreadingHTTPServer(("127.0.0.1", 0), _Sink) as server, httpx2.Client(timeout=60) as client:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/"
        client.post(url, json=body)
        before = time.thread_time()
        for _ in range(num):
            client.post(url, json=body)
        spent = time.thread_time() - before
        server.shutdown()
    return spent / num


def main() -> None:
    """Print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object, nothing else")
    parser.add_argument("--measure", action="store_true", help="CPU seconds of a request on this machine")
    arguments = parser.parse_args()
    if arguments.measure:
        print(f"{measured_request_cpu_s(int(FLEET.image_bytes)):.2g} s for a request")
        return
    found = {name: round(value, 4) for name, value in figures(FLEET).items()}
    if arguments.json:
        print(json.dumps(found))
    else:
        print("\n".join(f"{name:<24} {value:>10,.4g}" for name, value in found.items()))


if __name__ == "__main__":
    main()
