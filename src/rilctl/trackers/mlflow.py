"""MLflow: a database in the run's directory, for `mlflow ui`; elsewhere where `MLFLOW_TRACKING_URI` says so."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from rilctl.trackers.base import PROJECT, ArtifactLink, ShownRow, TrackedRun, TrackerRecord

if TYPE_CHECKING:
    from mlflow import MlflowClient

_TAG = "rilctl.id"
_MOST = 1000
"""Metrics that one call may hold."""


class MLflow:
    """A call is answered when its values are kept. Rollouts are a file of the run for each step that shows some."""

    def __init__(self, client: MlflowClient, run_id: str) -> None:
        self._client, self._run_id = client, run_id

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """See `Tracker`."""
        from mlflow.entities import Metric

        now_ms = int(time.time() * 1000)
        values = [Metric(name, value, now_ms, step) for name, value in metrics.items()]
        for start in range(0, len(values), _MOST):
            self._client.log_batch(self._run_id, metrics=values[start : start + _MOST])

    def show(self, step: int, rows: Sequence[ShownRow]) -> None:
        """See `Tracker`."""
        import mlflow

        table = {name: [row.cells[name] for row in rows] for name in rows[0].cells}
        pictures = ["" if row.picture is None else mlflow.Image(row.picture) for row in rows]
        self._client.log_table(self._run_id, {"picture": pictures, **table}, f"rollouts/step-{step:06d}.json")

    def link(self, artifacts: Sequence[ArtifactLink]) -> None:
        """See `Tracker`."""
        self._client.log_dict(self._run_id, {each.name: asdict(each) for each in artifacts}, "artifacts.json")

    def finish(self) -> None:
        """See `Tracker`."""
        self._client.set_terminated(self._run_id)


def _start(run: TrackedRun) -> MLflow:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read when it is imported
    from mlflow import MlflowClient

    run.directory.mkdir(parents=True, exist_ok=True)
    own = run.directory.resolve()
    address = os.environ.get("MLFLOW_TRACKING_URI")
    client = MlflowClient(tracking_uri=address or f"sqlite:///{own / 'mlflow.db'}")
    project = os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
    experiment = client.get_experiment_by_name(project)
    files = None if address else (own / "files").as_uri()
    experiment_id = experiment.experiment_id if experiment else client.create_experiment(project, files)
    found = client.search_runs([experiment_id], f"tags.`{_TAG}` = '{run.id}'", max_results=1)
    if found:
        client.update_run(found[0].info.run_id, status="RUNNING")
        return MLflow(client, found[0].info.run_id)
    opened = client.create_run(experiment_id, run_name=run.name, tags={_TAG: run.id})
    client.log_dict(opened.info.run_id, dict(run.config), "recipe.json")
    return MLflow(client, opened.info.run_id)


TRACKER = TrackerRecord("mlflow", extra="mlflow", start=_start)
