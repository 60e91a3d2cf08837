"""Caps on emissions over several periods, cleared as one program: the least cost at which a window keeps to them."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
import xarray as xr

from tokenflow_sim.errors import Fault, InputError, unknown_name
from tokenflow_sim.market import Clearing, Layout, clear
from tokenflow_sim.market.carbon import STATE, WINDOW_RENT, carbon_limit
from tokenflow_sim.market.side_by_side import side_by_side
from tokenflow_sim.numeric import SECONDS_PER_HOUR, Floats
from tokenflow_sim.scenario import Scenario, load_scenario
from tokenflow_sim.scenario.zones import groups_of
from tokenflow_sim.variables import CLEARING, EMISSIONS, LIMITS, MARKET

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class WindowCap:
    """The most that some nodes may emit over some periods together.

    Parameters
    ----------
    tonnes : float
        Tonnes of CO2 equivalent; infinite for no cap.
    periods : iterable of int, optional
        The periods of the window that count; all by default.
    nodes : iterable of str, optional
        The nodes, or zones of the scenario, whose assets count; all by default.
    """

    tonnes: float
    periods: Iterable[int] | None = None
    nodes: Iterable[str] | None = None


@dataclass(frozen=True, eq=False)
class CappedWindow:
    """A window of periods at its least cost under caps.

    Parameters
    ----------
    dataset : Dataset
        `price`, `demand`, `unserved` (period, node, workload), `dispatch`, `emissions` (period, asset, workload),
        `flow` (period, arc, workload), `total_cost` (period,) in $/period; `carbon_rent` and `tonnes` (cap,), the dual
        in $/t and what was emitted under each cap.
    clearing : Clearing
        Of all periods as one market, with its certificate.
    """

    dataset: xr.Dataset
    clearing: Clearing

    @property
    def table(self) -> pd.DataFrame:
        """One row a cap: its tonnes, what was emitted, and the price of a permit in $/t."""
        return self.dataset[["allowed", "tonnes", "carbon_rent"]].to_dataframe()

    def plot(self, **options: Any) -> Figure:
        """Draw the prices of the window.

        Parameters
        ----------
        **options
            As `tokenflow_sim.plot.prices` takes them.
        """
        plot = importlib.import_module("tokenflow_sim.plot")  # figures stand above studies
        return cast("Figure", plot.prices(self.dataset, **options))

    def __repr__(self) -> str:
        """Summarise the window in one line."""
        ds = self.dataset
        rents = ", ".join(
            f"{name} {tonnes:.4g} t at {rent:.4g} $/t"
            for name, tonnes, rent in zip(
                ds["cap"].values, ds["tonnes"].values, ds["carbon_rent"].values, strict=True
            )
        )
        return (
            f"<CappedWindow: {ds.sizes['period']} periods, cost {float(ds['total_cost'].sum()):,.2f} $; {rents};"
            f" certificate {self.clearing.certificate.worst:.1e}>"
        )


def carbon_cap(
    scenario: str | Path | Scenario,
    tonnes: float | dict[str, WindowCap] | None = None,
    *,
    periods: int | Iterable[int] | None = None,
    nodes: Iterable[str] | None = None,
) -> CappedWindow:
    """Clear several periods at once at the least cost that keeps to caps on their emissions together.

    Parameters
    ----------
    scenario : str, Path or Scenario
        The scenario; offers are truthful, demand is the expected one. Its own price and caps by period hold as well.
        Its budget does not: what the budget's rule does period by period is done here at the least cost of all.
    tonnes : float or dict of WindowCap, optional
        Tonnes of CO2 equivalent that all of it may emit; or several caps by name. The scenario's budget if left out.
    periods : int or iterable of int, optional
        The window, or how many periods from 0 on; all of the scenario if left out.
    nodes : iterable of str, optional
        The nodes whose assets count, with a single number of tonnes; all (or the budget's) if left out.

    Returns
    -------
    CappedWindow
        With `.dataset`, `.table` and `.plot()`.

    Raises
    ------
    InputError
        If a cap, a period or a node is none, or the scenario has no carbon intensities.
    ScenarioError
        If the scenario has faults.
    CarbonCapError
        If demand that must be served emits more, with the least that it does.

    Notes
    -----
    The markets of the window stand beside each other as one market, nodes x periods, and each cap is a row across
    them: one program, cleared and certified as any other. The dual of the row is one price of carbon for all its
    periods and nodes: each period clears as it would at that price. A window of T periods takes about as long as a
    market of T times the nodes does; see docs/how-to/carbon.md.
    """
    played = load_scenario(scenario)
    budget = played.carbon.budget
    if budget is not None:
        played = played.override({"carbon.budget": None})
        if tonnes is None:
            tonnes, nodes = budget.tonnes, (nodes if nodes is not None else budget.nodes or None)
    compiled, faults = played.compiled, list[Fault]()
    window = _window(periods, played.periods, faults)
    named = (
        tonnes
        if isinstance(tonnes, dict)
        else {"all": WindowCap(np.nan if tonnes is None else tonnes, None, nodes)}
    )
    if tonnes is None:
        faults.append(Fault("is needed, since the scenario has no carbon.budget", "tonnes"))
    if isinstance(tonnes, dict) and nodes is not None:
        faults.append(Fault("belongs to a single cap; each of several has its own", "nodes"))
    if not compiled.carbon.has_emissions:
        faults.append(
            Fault(
                "gives no carbon intensities, by `carbon_intensity` of nodes or `carbon.series`", "scenario"
            )
        )
    counts = {
        name: _counts(name, cap, window, played, faults, check=tonnes is not None)
        for name, cap in named.items()
    }
    if not named:
        faults.append(Fault("needs one cap or more", "tonnes"))
    if faults:
        raise InputError(faults, "carbon cap")
    markets = [compiled.market(period) for period in window]
    rates = [compiled.carbon.rate(period) for period in window]
    joined = side_by_side(markets, window)
    cap = carbon_limit(
        np.concatenate(rates),
        tuple(named),
        np.array(list(counts.values())).reshape(len(named), -1),
        np.array([one.tonnes for one in named.values()]) / (played.hours * SECONDS_PER_HOUR),
        payee=compiled.carbon.payee or STATE,
        across=True,
    )
    whole = type(joined).from_arrays(
        joined.layout,
        joined.arrays.with_(limits=(*joined.arrays.limits, cap)),
        joined.hours,
        check=False,
    )
    return _read(
        clear(whole), compiled.layout, window, np.array(rates), named, np.array(list(counts.values()))
    )


def _window(periods: int | Iterable[int] | None, whole: int, faults: list[Fault]) -> list[int]:
    given = whole if periods is None else periods
    found = list(range(given)) if isinstance(given, (int, np.integer)) else [int(period) for period in given]
    if not found or len(set(found)) != len(found) or min(found) < 0:
        faults.append(Fault("must be one or more whole numbers from 0 on, each once", "periods"))
    return found


def _counts(
    name: str, cap: WindowCap, window: Sequence[int], scenario: Scenario, faults: list[Fault], *, check: bool
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return which assets of which periods a cap is about, flat as in the joined market."""
    place = f"cap {name!r}"
    if check and not cap.tonnes >= 0:
        faults.append(Fault(f"must be tonnes from 0 on; found {cap.tonnes!r}", place))
    nodes = [str(node) for node in cap.nodes or ()]
    known = groups_of(scenario)
    unknown = [node for node in nodes if node not in known]
    faults += [Fault(unknown_name("place", node, list(known)), place) for node in unknown]
    wanted = list(window) if cap.periods is None else [int(period) for period in cap.periods]
    if beyond := [period for period in wanted if period not in window]:
        faults.append(Fault(f"names period {beyond[0]}, which is not in the window", place))
    there = scenario.compiled.carbon.assets_at(nodes)
    if nodes and not unknown and not there.any():
        faults.append(Fault("names nodes without assets, so that nothing counts", place))
    return np.outer(np.isin(window, wanted), there).ravel()


def _read(
    clearing: Clearing,
    layout: Layout,
    window: Sequence[int],
    rates: Floats,
    caps: dict[str, WindowCap],
    counts: np.ndarray[Any, np.dtype[np.bool_]],
) -> CappedWindow:
    """Take the joined market apart again."""
    values, arrays, count = clearing.values, clearing.market.arrays, len(window)
    seconds = clearing.market.hours * SECONDS_PER_HOUR

    def apart(array: Floats) -> Floats:
        return array.reshape(count, -1, *array.shape[1:])

    dispatch = apart(values.dispatch.sum(axis=2))
    flow, unserved = apart(values.flow), apart(values.unserved)
    emissions = rates * dispatch * seconds
    offered = (apart(arrays.offer_price) * apart(values.dispatch)).sum(axis=(1, 2, 3))
    lost = np.where(apart(arrays.value) < np.inf, apart(arrays.value), 0.0) * unserved
    load = (apart(arrays.link_use) * flow).sum(axis=2)
    cost = offered + (apart(arrays.route_cost) * flow).sum(axis=(1, 2)) + lost.sum(axis=(1, 2, 3))
    cost = cost + 0.5 * (apart(arrays.link_curvature) * load**2).sum(axis=1)
    tonnes = counts.reshape(len(caps), -1) @ emissions.sum(axis=2).ravel()
    nodal, by_asset = ("period", "node", "workload"), ("period", "asset", "workload")
    data = {
        "price": (nodal, apart(values.price), CLEARING["price"].attrs()),
        "demand": (nodal, apart(arrays.demand.sum(axis=2)), MARKET["demand"].attrs()),
        "unserved": (nodal, unserved.sum(axis=3), CLEARING["unserved"].attrs()),
        "dispatch": (by_asset, dispatch, CLEARING["dispatch"].attrs()),
        "emissions": (by_asset, emissions, EMISSIONS["emissions"].attrs()),
        "flow": (("period", "arc", "workload"), flow, CLEARING["flow"].attrs()),
        "total_cost": (("period",), cost * seconds, {"units": "$/period", "long_name": "total cost as offered"}),
        "carbon_rent": (("cap",), values.rents[WINDOW_RENT], LIMITS["carbon_rent"].attrs()),
        "allowed": (("cap",), [cap.tonnes for cap in caps.values()], {"units": "t", "long_name": "cap on emissions"}),
        "tonnes": (("cap",), tonnes, {"units": "t", "long_name": "emissions under the cap"}),
    }  # fmt: skip
    names = layout.nodes.to_numpy().astype(str)
    coords = {
        "period": list(window),
        "node": names,
        "workload": layout.workloads.to_numpy().astype(str),
        "asset": layout.assets.to_numpy().astype(str),
        "arc": layout.arcs.to_numpy().astype(str),
        "cap": list(caps),
        "asset_node": ("asset", names[layout.asset_node]),
        "asset_provider": ("asset", np.array(layout.provider, dtype=str)),
    }
    attrs = {"hours": clearing.market.hours, "link_unit": layout.link_unit}
    return CappedWindow(xr.Dataset(data, coords, attrs), clearing)
