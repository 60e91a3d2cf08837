"""A few numbers of each period to watch, as Mesa's DataCollector keeps them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from tokenflow_sim.errors import Fault, InputError, unknown_name
from tokenflow_sim.market import Layout

Reporter = Callable[[Any], float]
"""Reads a number off a model whose last period was settled."""


def scalars_of(layout: Layout, *, has_emissions: bool) -> dict[str, Reporter]:
    """Return the scalars of a market by name, each worked out when it is collected.

    Parameters
    ----------
    layout : Layout
        The market's labels.
    has_emissions : bool
        Whether emissions are known.
    """
    means: dict[str, Reporter] = {
        f"mean_price_{name}": partial(_mean_price, place=n) for n, name in enumerate(layout.workloads)
    }
    rest = {"unserved": _unserved, "welfare": _welfare, "total_cost": _total_cost}
    # Mesa tells functions that take the model by their being partial.
    rest |= {"emissions": _emissions} if has_emissions else {}
    return means | {name: partial(reporter) for name, reporter in rest.items()}


def chosen(scalars: Mapping[str, Reporter], names: Iterable[str] | None) -> dict[str, Reporter]:
    """Return the scalars of some names, in their usual order; all for None.

    Raises
    ------
    InputError
        If a name is unknown.
    """
    if names is None:
        return dict(scalars)
    wanted = (names,) if isinstance(names, str) else tuple(names)
    unknown = [name for name in wanted if name not in scalars]
    if unknown:
        faults = [Fault(unknown_name("scalar", name, list(scalars)), "collect") for name in unknown]
        raise InputError(faults, "list of scalars to collect")
    return {name: reporter for name, reporter in scalars.items() if name in wanted}


def _mean_price(model: Any, *, place: int) -> float:
    price: float = model.clearing_house.result.mean_prices[place]
    return price


def _unserved(model: Any) -> float:
    unserved: float = model.clearing_house.result.total_unserved
    return unserved


def _welfare(model: Any) -> float:
    welfare: float = model.clearing_house.result.welfare
    return welfare


def _total_cost(model: Any) -> float:
    cost: float = model.clearing_house.result.total_cost
    return cost


def _emissions(model: Any) -> float:
    return float(model.clearing_house.result.emissions.sum())
