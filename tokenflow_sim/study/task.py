"""One run of a study: what is played, and where its results belong."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tokenflow_sim.market import Clearer
from tokenflow_sim.model import TokenMarket
from tokenflow_sim.scenario import Scenario
from tokenflow_sim.strategies.assignment import Choice


@dataclass(frozen=True, slots=True)
class Task:
    """One run of a study.

    Parameters
    ----------
    scenario : Scenario
        What is played.
    seed : int
        The run's seed.
    label : mapping
        Where its results belong: a label along each of the study's dims, e.g. ``{"strategy": "undercut", "seed": 3}``.
    strategies : mapping, optional
        Other strategies than the scenario's, as `TokenMarket` takes them.
    overrides : mapping
        Other values for the scenario, by dotted path.
    allow_code : bool
        Whether strategies given as ``module:Class`` may be imported.
    """

    scenario: Scenario
    seed: int
    label: Mapping[str, Hashable] = field(default_factory=dict)
    strategies: Mapping[str, Choice] | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)
    allow_code: bool = False

    def model(self, clearer: Clearer | None = None, **options: Any) -> TokenMarket:
        """Make the model that plays it.

        Parameters
        ----------
        clearer : Clearer, optional
            One to clear with, which saves building it; results do not depend on it.
        **options
            Other arguments of the model, e.g. ``record`` or ``out``.

        Raises
        ------
        ScenarioError
            If the scenario, an override or a strategy has faults.
        """
        return TokenMarket(
            self.scenario,
            rng=self.seed,
            overrides=self.overrides,
            strategies=self.strategies,
            allow_code=self.allow_code,
            clearer=clearer,
            **options,
        )

    def __str__(self) -> str:
        """Name the run by its labels and seed."""
        labels = [f"{dim}={value}" for dim, value in self.label.items() if dim != "seed"]
        return ", ".join([*labels, f"seed={self.seed}"])
