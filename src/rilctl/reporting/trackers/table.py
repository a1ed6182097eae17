"""All trackers by the name that a recipe gives them."""

from collections.abc import Mapping

from rilctl.config.tracking import TrackerName
from rilctl.reporting.trackers.base import TrackerRecord
from rilctl.reporting.trackers.tensorboard import TENSORBOARD

TRACKERS: Mapping[TrackerName, TrackerRecord] = {"tensorboard": TENSORBOARD}
