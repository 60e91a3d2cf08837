"""Figures of results: every function takes a run's Dataset and returns a matplotlib Figure.

`figures(ds)` tells which figures a Dataset allows; each is also here by its name, ``tf.plot.prices(ds)``. `animate`
writes a film of a run on the map.
Nothing here touches pyplot or the user's rcParams.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tokenflow_sim.plot.animation import animate
    from tokenflow_sim.plot.registry import figures

__all__ = ["animate", "figures"]


def __getattr__(name: str) -> Any:
    """Find a figure, or a module of this package, by name; only now is matplotlib imported."""
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if find_spec(f"{__name__}.{name}") is not None:
        return import_module(f"{__name__}.{name}")
    if name == "animate":
        return import_module(f"{__name__}.animation").animate
    registry = import_module(f"{__name__}.registry")
    return registry.figures if name == "figures" else registry.find(name)


def __dir__() -> list[str]:
    """List the figures and the modules."""
    registry = import_module(f"{__name__}.registry")
    return sorted({*globals(), *__all__, *registry.entries()})
