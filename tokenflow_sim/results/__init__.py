"""What happened in a run, period by period, as one Dataset in memory or in a file."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tokenflow_sim.results.files import FORMAT, FORMAT_VERSION, load_results, save_results

if TYPE_CHECKING:
    from tokenflow_sim.results.ledger import Ledger
    from tokenflow_sim.results.plan import Plan, attributes
    from tokenflow_sim.results.table import to_frame

__all__ = [
    "FORMAT",
    "FORMAT_VERSION",
    "Ledger",
    "Plan",
    "attributes",
    "load_results",
    "save_results",
    "to_frame",
]

# Who only reads a result file does not wait for the market's solver to be imported.
_LATER = {"Ledger": "ledger", "Plan": "plan", "attributes": "plan", "to_frame": "table"}


def __getattr__(name: str) -> Any:
    """Import what writes results on first use."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
