"""What looks after a training of Stable-Baselines3; needs it to be imported."""

from __future__ import annotations

from collections.abc import Callable

from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from tokenflow_sim.learning.learning_curve import LearningCurve

_EVERY = 1000
"""Steps between two rows of the learning curve of an algorithm whose rollouts are a few steps long."""


class Watch(BaseCallback):
    """Shows progress, adds to the learning curve, and keeps checkpoints between two rollouts.

    Parameters
    ----------
    curve : LearningCurve
        The learning curve.
    keep : callable
        Writes a checkpoint.
    every : int
        Steps between two checkpoints.
    total : int
        Steps of the training.
    progress : callable, optional
        Called with the steps taken and all.
    """

    def __init__(
        self,
        curve: LearningCurve,
        keep: Callable[[], None],
        every: int,
        total: int,
        progress: Callable[[int, int], object] | None,
    ) -> None:
        super().__init__()
        self.curve, self.keep, self.every, self.total, self.progress = curve, keep, every, total, progress
        self.kept = 0

    def _on_training_start(self) -> None:
        self.kept = self.num_timesteps

    def _on_step(self) -> bool:
        if self.progress is not None:
            self.progress(min(self.num_timesteps, self.total), self.total)
        return True

    def _on_rollout_start(self) -> None:
        # Here the last rollout is learnt from and the next has not begun: nothing is half done.
        if self.num_timesteps > self.kept:
            self.note()
            if self.num_timesteps - self.kept >= self.every:
                self.keep()
                self.kept = self.num_timesteps

    def note(self) -> None:
        """Add a row to the learning curve: after every rollout, or where these are short, every thousand steps."""
        last = self.curve.rows[-1]["step"] if self.curve.rows else 0
        apart = 1 if isinstance(self.model, OnPolicyAlgorithm) else _EVERY
        if self.num_timesteps // apart <= last // apart:
            return
        values = {}
        if episodes := list(self.model.ep_info_buffer or ()):
            values["episode/return"] = sum(one["r"] for one in episodes) / len(episodes)
            values["episode/length"] = sum(one["l"] for one in episodes) / len(episodes)
        found = self.logger.name_to_value
        values |= {name: float(value) for name, value in found.items() if name.startswith("train/")}
        self.curve.add(self.num_timesteps, values)
