"""Every metric that a run writes: its unit, its side, how it is averaged, where it is shown. Adding one is one entry.

The order is that of bars and pages.
"""

from rilctl.reporting.known_metrics.discriminator import DISCRIMINATOR
from rilctl.reporting.known_metrics.judging import JUDGE_IN_TRAIN, VERDICTS
from rilctl.reporting.known_metrics.policy import POLICY, SYNC
from rilctl.reporting.known_metrics.rewards import REWARDS
from rilctl.reporting.known_metrics.sft import SFT
from rilctl.reporting.known_metrics.validation import VALIDATION
from rilctl.reporting.metric import Metric

METRICS: tuple[Metric, ...] = (
    *SFT,
    *REWARDS,
    *JUDGE_IN_TRAIN,
    *DISCRIMINATOR,
    *POLICY,
    *SYNC,
    *VALIDATION,
    *VERDICTS,
)
