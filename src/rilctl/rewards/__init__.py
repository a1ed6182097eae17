"""Named rewards: what a recipe writes of each, and how it scores rows. Reward functions are given `RewardRow`s."""

from rilctl.rewards.base import RewardRow

__all__ = ["RewardRow"]
