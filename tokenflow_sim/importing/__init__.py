"""Files of other tools -> tables of the scenario format, and the lines of YAML that use them.

Each importer is a function that returns an :class:`~tokenflow_sim.importing.imported.Imported`; it is imported when it
is first used, so that one importer does not load what another needs. Modules are named after what they read, never
after the function: a module of that name would hide it.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOME: dict[str, str] = {
    "Imported": "imported",
    "Summary": "imported",
    "carbon": "carbon_intensity",
    "latency": "latency_matrix",
    "prices": "price_files",
    "sites": "site_registry",
    "power_drawn": "pypsa_loads",
    "pypsa": "pypsa_prices",
    "pypsa_load": "pypsa_loads",
    "topology": "topology_network",
    "trace": "trace_demand",
}
"""Module of each public name of this room."""

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    """Import a public name on first use."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return sorted({*globals(), *__all__})
