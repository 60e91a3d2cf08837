"""One run of a study: what is played, and where its results belong."""

from __future__ import annotations

import hashlib
import json
import shlex
import sys
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tokenflow_sim.market import Clearer
from tokenflow_sim.model import TokenMarket
from tokenflow_sim.scenario import Scenario
from tokenflow_sim.strategies.assignment import Choice, written_down


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
    source : str
        What the scenario was loaded from, for the command that repeats the run; its name if left out.
    given : mapping
        Values that were changed in it since, by dotted path, for that command.
    burn_in : int
        Periods at the start that what is kept of the run leaves out.
    """

    scenario: Scenario
    seed: int
    label: Mapping[str, Hashable] = field(default_factory=dict)
    strategies: Mapping[str, Choice] | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)
    allow_code: bool = False
    source: str = ""
    given: Mapping[str, Any] = field(default_factory=dict)
    burn_in: int = 0

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

    def repeat(self) -> str:
        """Return the command that repeats the run, or the Python where strategies were exchanged."""
        source, changes = self.source or self.scenario.name, {**self.given, **self.overrides}
        if self.strategies:
            given = [repr(source), f"rng={self.seed}"]
            given += [f"overrides={changes!r}"] if changes else []
            written = json.loads(written_down(self.strategies))
            given.append(f"strategies={dict(self.strategies) if written is None else written!r}")
            given += ["allow_code=True"] if self.allow_code else []
            return f"tokenflow_sim.TokenMarket({', '.join(given)}).run()"
        words = ["tokenflow", "run", source, "--seed", str(self.seed)]
        for path, value in changes.items():
            words += [
                "--set",
                f"{path}={value if isinstance(value, str) else json.dumps(value, default=str)}",
            ]
        return shlex.join([*words, *(["--allow-code"] if self.allow_code else [])])

    def fingerprint(self, scenario_text: str) -> str:
        """Return a digest of all that the run's results depend on, but the versions of the program.

        Parameters
        ----------
        scenario_text : str
            The scenario's YAML, written once for all tasks that share it.
        """
        written = written_down(self.strategies)
        if written == "null":  # objects that do not tell their parameters: their class and state must do
            written = repr({name: _told(choice) for name, choice in (self.strategies or {}).items()})
        parts = [scenario_text, str(self.seed), repr(sorted(self.overrides.items(), key=str)), written]
        parts += [f"burn_in {self.burn_in}"] if self.burn_in else []
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def __str__(self) -> str:
        """Name the run by its labels and seed."""
        labels = [f"{dim}={value}" for dim, value in self.label.items() if dim != "seed"]
        return ", ".join([*labels, f"seed={self.seed}"])


def source_of(scenario: str | Path | Scenario) -> str:
    """Return how the command that repeats a run names its scenario."""
    return scenario.name if isinstance(scenario, Scenario) else str(scenario)


def _told(choice: object) -> str:
    kind = choice if isinstance(choice, type) else type(choice)
    state = getattr(choice, "__dict__", {})
    # In full: numpy would leave out the middle of a large array, and the last digits of any.
    with np.printoptions(threshold=sys.maxsize, floatmode="unique", linewidth=10**6):
        return f"{kind.__module__}:{kind.__qualname__}({sorted(state.items(), key=str)!r})"
