"""Server processes: started once, ended with all that they started, heard when they end by themselves."""

import os
import time
from pathlib import Path

import httpx2
import pytest

from rilctl.engines.ports import hold_port
from rilctl.errors import RilctlError
from rilctl.pipeline.rehearsal.asked import Server
from rilctl.pipeline.rehearsal.servers import opened_servers, server_command
from rilctl.reporting.progress import SilentReporter


def judge(port: int, name: str = "judge") -> Server:
    return Server(name, "judge", port, None, "", ("judge",))


def wait_for(port: int) -> int:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            return httpx2.get(f"http://127.0.0.1:{port}/health").status_code
        except httpx2.HTTPError:
            time.sleep(0.1)
    raise AssertionError(f"nobody came up at {port}")


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_server_is_started_once_and_ends_with_the_block(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    port = hold_port()
    with pytest.raises(KeyboardInterrupt), opened_servers(tmp_path, os.environ, SilentReporter()) as servers:
        servers.start(judge(port))
        process = servers.running[judge(port)]
        servers.start(judge(port))
        assert servers.running[judge(port)] is process
        wait_for(port)
        servers.check()
        raise KeyboardInterrupt
    assert not is_alive(process.pid)


def test_another_server_takes_over_a_port(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    port = hold_port()
    with opened_servers(tmp_path, os.environ, SilentReporter()) as servers:
        servers.start(judge(port))
        wait_for(port)
        servers.start(judge(port, "other"))
        assert [server.name for server in servers.running] == ["other"]
        wait_for(port)
        servers.check()


def test_a_server_that_ends_by_itself_is_told_of_with_its_last_words(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    broken = Server("sampler", "vllm-double", hold_port(), "no/such/model", "", ("train",))
    with opened_servers(tmp_path, os.environ, SilentReporter()) as servers:
        servers.start(broken)
        servers.running[broken].wait(60)
        with pytest.raises(RilctlError, match=r"`sampler` ended by itself \(exit code 1\)") as caught:
            servers.check()
    assert "no/such/model" in caught.value.message and "server-sampler.log" in str(caught.value.hint)


def test_vllm_is_started_as_the_docs_say() -> None:
    command = server_command(Server("sampler", "vllm", 8000, "runs/x/sft", "bfloat16", ("train",)))
    page = (Path(__file__).parents[4] / "docs/vllm.md").read_text()
    block = page.split("VLLM_SERVER_DEV_MODE=1 vllm serve STUDENT", 1)[1].split("```", 1)[0]
    for word in block.replace("\\\n", " ").split():
        assert word in command, word
