"""How the output of a policy's network becomes an action: as Stable-Baselines3 does it, with NumPy's streams."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tokenflow_sim.numeric import Floats, Ints
from tokenflow_sim.strategies.policy_config import DistributionKind

_LOG_STD = (-20.0, 2.0)
"""Bounds of the log of a squashed Gaussian's standard deviation that depends on the observation, as in SAC."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ActionDistribution:
    """A distribution over the actions of a space.

    Parameters
    ----------
    kind : str
        As `DistributionConfig` describes it.
    choices : tuple of int
        Number of options of each choice, where actions are choices.
    numbers : int
        Length of an action, where actions are numbers from -1 to 1.
    epsilon : float
        Probability of an option drawn evenly, for ``greedy``.
    """

    kind: DistributionKind
    choices: tuple[int, ...] = ()
    numbers: int = 0
    epsilon: float = 0.0

    @property
    def is_discrete(self) -> bool:
        """Whether an action consists of choices."""
        return self.kind in ("categorical", "multi_categorical", "greedy")

    @property
    def is_gaussian(self) -> bool:
        """Whether an action has a spread."""
        return self.kind in ("gaussian", "squashed_gaussian")

    @property
    def width(self) -> int:
        """How many numbers it takes from the network."""
        return sum(self.choices) if self.is_discrete else self.numbers

    def act(
        self, output: Floats, log_std: Floats | None, rng: np.random.Generator, deterministic: bool
    ) -> Floats | Ints:
        """Return an action.

        Parameters
        ----------
        output : ndarray
            What the network returned, dims (width,): logits, values, means, or actions.
        log_std : ndarray or None
            Log of the standard deviations, dims (number,), of a Gaussian.
        rng : numpy.random.Generator
            Where an action that is not deterministic is drawn from.
        deterministic : bool
            Whether to take the mode (for a Gaussian, its mean) instead of drawing.

        Returns
        -------
        ndarray
            The chosen options, dims (choice,), or numbers from -1 to 1, dims (number,).
        """
        if self.is_discrete:
            parts = np.split(output, np.cumsum(self.choices)[:-1])
            if deterministic:
                return np.array([int(np.argmax(part)) for part in parts], dtype=np.int64)
            return np.array([self._draw(part, rng) for part in parts], dtype=np.int64)
        action = output
        if self.is_gaussian and not deterministic:
            assert log_std is not None, "a Gaussian has a spread"
            if self.kind == "squashed_gaussian":
                log_std = np.clip(log_std, *_LOG_STD)
            action = output + np.exp(log_std) * rng.standard_normal(len(output))
        if self.kind == "squashed_gaussian":
            action = np.tanh(action)
        return np.clip(action, -1.0, 1.0)

    def _draw(self, output: Floats, rng: np.random.Generator) -> int:
        """Draw an option by its logits, or the best one unless a draw says to try."""
        if self.kind == "greedy":
            # Both are drawn, so that the stream moves alike whatever comes out.
            tries, drawn = rng.random() < self.epsilon, int(rng.integers(len(output)))
            return drawn if tries else int(np.argmax(output))
        weight = np.exp(output - output.max())
        ladder = np.cumsum(weight)
        return min(int((ladder <= rng.random() * ladder[-1]).sum()), len(output) - 1)
