"""The real libraries, offline: each reads back with its own code what runs and `tracking sync` have sent.

None of them may reach anything but this machine.
"""

import json
import os
import socket
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rilctl.errors import InterruptedByUser, RilctlError
from rilctl.reporting.metrics import read_metrics
from rilctl.reporting.syncing import sync_run
from rilctl.testing.stages import StopsAfter, run_stage, write_trainable_workspace

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning",  # of these libraries, in one another
    "ignore::FutureWarning",
    "ignore::ResourceWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
)
STEPS = (
    "train.num_steps=4",
    "train.checkpoint_every=2",
    "train.algorithm.name=dr_grpo",
    "data.validation.share=0.2",
)
Points = dict[str, list[tuple[int, float]]]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_trainable_workspace(tmp_path_factory.mktemp("tracked"))


@pytest.fixture(autouse=True, scope="module")
def kept_here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Where the libraries keep things that are of no run: read when they are imported."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRACKIO_DIR", str(home / "trackio"))
        for name in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR"):
            patch.setenv(name, str(home / name))
        yield


@pytest.fixture(autouse=True)
def nothing_leaves(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Every name that is looked up, but this machine's; there are none."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def look_up(host: Any, *arguments: Any, **options: Any) -> Any:
        if host not in (None, "localhost", "127.0.0.1", "::1"):
            asked.append(str(host))
            raise socket.gaierror(f"{host} was looked up")
        return real(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    yield asked
    assert asked == []


def expected(run: Path) -> Points:
    found: Points = {}
    for file, prefix in (("metrics.jsonl", ""), ("timings.jsonl", "timings/")):
        for row in read_metrics(run / file):
            for name in row.keys() - {"step"}:
                found.setdefault(prefix + name, []).append((int(row["step"]), pytest.approx(row[name], rel=1e-6)))
    return found


def of_wandb(run: Path) -> tuple[Points, dict[str, Any], list[dict[str, Any]]]:
    """From its files of records, in the order of writing."""
    from wandb.proto.wandb_internal_pb2 import Record

    points: Points = {}
    config: dict[str, Any] = {}
    tables: list[dict[str, Any]] = []
    for file in sorted((run / "trackers/wandb/wandb").glob("offline-run-*/*.wandb")):
        for data in records_of(file):
            record = Record()
            record.ParseFromString(data)
            for update in record.run.config.update:
                config[update.key] = json.loads(update.value_json)
            row = {(item.key or "/".join(item.nested_key)): json.loads(item.value_json) for item in record.history.item}
            for name, value in row.items():
                if isinstance(value, int | float) and not name.startswith(("_", "rollouts/")):
                    points.setdefault(name, []).append((row["_step"], value))
        for table in sorted(file.parent.rglob("*.table.json")):
            tables.append(json.loads(table.read_text()))
    return points, config, tables


def of_trackio(run: Path) -> tuple[Points, dict[str, Any], list[dict[str, Any]]]:
    from trackio.sqlite_storage import SQLiteStorage

    sent = json.loads((run / "trackers/trackio.json").read_text())
    name = f"{sent['name'].replace('/', '-')}-{sent['id']}"
    points: Points = {}
    tables = []
    for row in SQLiteStorage.get_logs("rilctl", name):
        for metric, value in row.items():
            if isinstance(value, dict) and value["_type"] == "trackio.table":
                tables.append(value)
            elif isinstance(value, int | float) and metric != "step":
                points.setdefault(metric, []).append((row["step"], value))
    return points, dict(SQLiteStorage.get_run_config("rilctl", name) or {}), tables


def of_mlflow(run: Path) -> tuple[Points, dict[str, Any], list[dict[str, Any]]]:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{(run / 'trackers/mlflow/mlflow.db').resolve()}")
    experiment = client.get_experiment_by_name("rilctl")
    assert experiment is not None
    (opened,) = client.search_runs([experiment.experiment_id])
    points = {
        name: [(each.step, each.value) for each in client.get_metric_history(opened.info.run_id, name)]
        for name in opened.data.metrics
    }
    files = run / "trackers/mlflow/files" / opened.info.run_id / "artifacts"
    tables = [json.loads(file.read_text()) for file in sorted((files / "rollouts").glob("*.json"))]
    assert opened.data.tags.get("mlflow.user") is None and "mlflow.source.name" not in opened.data.tags
    assert opened.info.status == "FINISHED"
    return points, json.loads((files / "recipe.json").read_text()), tables


READERS: dict[str, Callable[[Path], tuple[Points, dict[str, Any], list[dict[str, Any]]]]] = {
    "wandb": of_wandb,
    "trackio": of_trackio,
    "mlflow": of_mlflow,
}
each_tracker = pytest.mark.parametrize("name", READERS)


@each_tracker
def test_a_run_that_was_stopped_and_goes_on(name: str, workspace: Path, tmp_path: Path) -> None:
    sets, out = (*STEPS, f'tracking.to=["{name}"]'), tmp_path / "run"
    told = Told(2)
    with pytest.raises(InterruptedByUser):
        run_stage(workspace, "train", *sets, out=out, reporter=told, stop=told.stop)
    told = Told(100)
    run_stage(workspace, "train", *sets, out=out, reporter=told)
    assert told.warned == []
    points, config, tables = READERS[name](out)
    assert points == expected(out)
    assert config["train"]["num_steps"] == 4 and "student" in config["inputs"]
    assert len(tables) == 4
    shown = json.dumps([tables, config])
    assert "…/" not in json.dumps(tables) and str(tmp_path) not in shown and str(workspace) not in shown
    (digest,) = {json.loads((out / "student/manifest.json").read_text())["content_digest"]}
    assert digest in told_of(out, name)
    assert num_pictures(out, name) > 0
    assert [each.num_steps for each in sync_run(out, [name], anew=False, warn=print)] == [0]
    assert READERS[name](out)[0] == points


@each_tracker
def test_a_run_that_never_had_a_tracker_and_was_killed(
    name: str, workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    told = Told(3)
    with pytest.raises(InterruptedByUser):
        run_stage(workspace, "train", *STEPS, out=out, reporter=told, stop=told.stop)
    monkeypatch.chdir(workspace)
    with (out / "metrics.jsonl").open("a") as file:
        file.write('{"step": 4, "policy/lo')  # a line that a kill has cut
    warned: list[str] = []
    (synced,) = sync_run(out, [name], anew=False, warn=warned.append)
    assert (synced.num_steps, warned) == (4, [])  # step 0 is the validation
    points, _, tables = READERS[name](out)
    assert {step for values in points.values() for step, _ in values} == {0, 1, 2, 3}
    assert len(tables) == 3 and num_pictures(out, name) > 0


def test_a_server_that_is_not_there_hurts_no_run_and_is_caught_up(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, sets = tmp_path / "run", (*STEPS, 'tracking.to=["mlflow"]')
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{taken.getsockname()[1]}")
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        told = Told(100)
        run_stage(workspace, "train", *sets, out=out, reporter=told)
        (warning,) = told.warned
        assert "mlflow mirrors this run no longer" in warning and f"tracking sync {out} --to mlflow" in warning
        with pytest.raises(RilctlError, match="mlflow has failed after 0 steps"):
            sync_run(out, (), anew=False, warn=print)
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    sync_run(out, (), anew=False, warn=print)
    assert of_mlflow(out)[0] == expected(out)


def records_of(file: Path) -> Iterator[bytes]:
    """Those of a log in LevelDB's format: blocks of 32 KiB; a piece has checksum, length and kind, and its bytes."""
    data, at, record = file.read_bytes(), 7, b""  # after W&B's own head
    while at + 7 <= len(data):
        if (left := 32768 - at % 32768) < 7:
            at += left
            continue
        length, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        record += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last piece
            yield record
            record = b""


class Told(StopsAfter):
    """Keeps what it is warned of."""

    def __init__(self, num_steps: int) -> None:
        super().__init__(num_steps)
        self.warned: list[str] = []

    def warn(self, message: str) -> None:
        if "mirrors" in message:
            self.warned.append(message)


def told_of(run: Path, name: str) -> str:
    """What the tracker knows of artifacts."""
    if name == "mlflow":
        return "".join(file.read_text() for file in (run / "trackers/mlflow/files").rglob("artifacts.json"))
    if name == "trackio":
        (database,) = Path(os.environ["TRACKIO_DIR"]).glob("*.db")
        with sqlite3.connect(database) as opened:
            return str(opened.execute("select metrics from metrics").fetchall())
    return "".join(
        file.read_bytes().decode("latin-1") for file in (run / "trackers/wandb").rglob("*.wandb") if file.is_file()
    )


def num_pictures(run: Path, name: str) -> int:
    roots = {"mlflow": run, "trackio": Path(os.environ["TRACKIO_DIR"]), "wandb": Path(os.environ["WANDB_DATA_DIR"])}
    files = [file for file in roots[name].rglob("*") if file.is_file()]
    return sum(file.read_bytes().startswith(b"\x89PNG") for file in files)
