"""Which figures of a report come first."""

from __future__ import annotations

from tokenflow_sim.plot import registry
from tokenflow_sim.report.drawings import FIRST


def test_what_comes_first_are_figures_of_runs() -> None:
    own = {name for name, entry in registry.entries().items() if entry.is_own}
    assert set(FIRST) - own == set()
    assert len(set(FIRST)) == len(FIRST)
