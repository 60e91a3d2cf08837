"""The parts of a price: energy, scarcity, routing and congestion, adding up to it along an active path.

Equation (8) at a node that serves itself, equations (9) and (11) along the path to the node that serves it. Where the
true costs behind the offers are known, energy parts into electricity, other running cost, and the offer's mark-up.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from tokenflow_sim.errors import Fault, MarketError
from tokenflow_sim.market.arrays import Arrays, total
from tokenflow_sim.market.clearing import Clearing
from tokenflow_sim.market.layout import Layout
from tokenflow_sim.market.market import Market
from tokenflow_sim.market.path_values import expanded_clearing
from tokenflow_sim.market.reference import split_by_reference, weights_of
from tokenflow_sim.market.values import Values
from tokenflow_sim.numeric import Floats
from tokenflow_sim.variables import DECOMPOSITION, PRICE_PARTS, REFERENCE_SPLIT

PARTS = ("energy", "scarcity", "routing", "congestion")
# Relative to the largest price: a condition that holds with equality up to this is tight.
_TIGHT = 1e-7
# Relative to all that a node has to serve of a class: what is no more than this is the rounding of a solver.
_ACTIVE = 1e-9
_ROUNDING = 1e-12


class Costs(NamedTuple):
    """The true costs behind the offers, dims (asset, workload), in $/Mtok."""

    electricity: Floats
    running: Floats
    carbon: Floats | None = None


class Charges(NamedTuple):
    """What further limits charge for a unit, in $/Mtok, dims (asset, workload) and (arc, workload).

    Those that charge for energy, a bus of a power grid for example, are kept apart: they are the price's energy part.
    """

    dispatch: Floats
    flow: Floats
    energy_dispatch: Floats
    energy_flow: Floats


def decompose(
    market: Market,
    clearing: Clearing,
    *,
    true_cost: Any = None,
    electricity_cost: Any = None,
    carbon_cost: Any = None,
    reference: Any = None,
) -> xr.Dataset:
    """Split every price into its parts.

    Parameters
    ----------
    market : Market
        What was cleared.
    clearing : Clearing
        Its outcome.
    true_cost : DataArray or ndarray, optional
        True cost of every asset's service, dims (asset, workload), in $/Mtok. A market knows offers alone; with
        true costs, what an offer is made of is reported part by part.
    electricity_cost : DataArray or ndarray, optional
        What of it is electricity, likewise; all of it (but `carbon_cost`) if left out.
    carbon_cost : DataArray or ndarray, optional
        What of it is paid for emissions, likewise.
    reference : str, optional
        Split prices into that of a reference and differences in place of along paths: a node, or ``"demand"``, the
        mean weighted by demand. Takes no true costs.

    Returns
    -------
    Dataset
        `energy` (the offer at the serving node), `scarcity`, `routing`, `congestion`, dims (node, workload), $/Mtok;
        they sum to the price. With `true_cost`: `energy` (its electricity), `running` (its other true cost),
        `markup` (the offer less true cost), `carbon` where that is given, `scarcity`, `routing`, `congestion`, which
        sum to it as well. With `reference`: `energy` (the reference's price), `routing`, `congestion`, `local`, which
        sum to it too.

    Raises
    ------
    MarketError
        If the clearing is of a market with other labels or numbers, costs do not fit its assets and classes, or the
        reference is none of its nodes.

    Notes
    -----
    A node that serves a class itself has the parts of its own dearest running offer, the one on the margin
    (equation 8). Another takes those of the node it is served from along the active path of fewest arcs, plus
    that path's route cost and congestion rents (equations 9 and 11). Where nothing is served or routed, arcs and
    offers at which the price would just pay stand in for active ones; what no offer explains (demand shed at its
    value) is scarcity. Of several equal offers on the margin, true costs count by what each of them serves.

    Beside a reference, route costs and congestion rents are summed along the routes in use from the node to the
    reference, against their direction with the opposite sign; a difference to a node that none joins is `local`
    (Schweppe et al. 1988; with ``"demand"``, the distributed reference of Litvinov et al. 2004).
    """
    clearing.check_belongs_to(market)
    if reference is not None:
        return _beside(market, clearing, reference, (true_cost, electricity_cost, carbon_cost) != (None,) * 3)
    costs = _read_costs(market.layout, true_cost, electricity_cost, carbon_cost)
    market = clearing.market  # which has the rows of losses, where there are any
    parts = decompose_values(market.layout, market.arrays, clearing.values, costs)
    return xr.Dataset(
        {name: market.layout.label(DECOMPOSITION[name], part) for name, part in parts.items()},
        attrs={"description": "parts of the locational marginal price; they sum to it"},
    )


def _beside(market: Market, clearing: Clearing, reference: object, with_costs: bool) -> xr.Dataset:
    if with_costs:
        fault = Fault(
            "takes no true_cost, electricity_cost or carbon_cost: the parts beside a reference have none",
            "reference",
        )
        raise MarketError([fault], "argument")
    layout, arrays, values = market.layout, market.arrays, clearing.values
    if values.along is not None:
        rule = (
            "splits no prices of a market with rules for whole paths: no arc says what is between two origins"
        )
        raise MarketError([Fault(rule, "reference")], "argument")
    weights = weights_of(layout, arrays, reference)
    parts = split_by_reference(layout, arrays, values, _in_use(layout, arrays, values), weights)
    return xr.Dataset(
        {name: layout.label(REFERENCE_SPLIT[name], part) for name, part in parts.items()},
        attrs={
            "description": "parts of the locational marginal price; they sum to it",
            "reference": str(reference),
        },
    )


def _in_use(layout: Layout, arrays: Arrays, values: Values) -> NDArray[np.bool_]:
    """Return which arcs carry more of a class than rounding leaves there, dims (arc, workload)."""
    used: NDArray[np.bool_] = values.flow > _ACTIVE * to_serve(layout, arrays, values)[layout.origin]
    return used


def _read_costs(layout: Layout, true_cost: Any, electricity_cost: Any, carbon_cost: Any) -> Costs | None:
    """Align true costs with the market's assets and classes."""
    given = {"true_cost": true_cost, "electricity_cost": electricity_cost, "carbon_cost": carbon_cost}
    given = {name: cost for name, cost in given.items() if cost is not None}
    if not given:
        return None
    if true_cost is None:
        raise MarketError([Fault("needs true_cost beside it", next(iter(given)))], "argument")
    shape, faults, found = (len(layout.assets), len(layout.workloads)), [], {}
    for name, cost in given.items():
        try:
            if isinstance(cost, xr.DataArray):
                cost = cost.sel(asset=layout.assets, workload=layout.workloads)
                cost = cost.transpose("asset", "workload").to_numpy()
            found[name] = np.broadcast_to(np.asarray(cost, dtype=float), shape)
        except (KeyError, ValueError, TypeError) as error:
            faults.append(Fault(f"must have dims (asset, workload), {shape} here ({error})", name))
            continue
        if not np.isfinite(found[name]).all():
            faults.append(Fault("must be finite ($/Mtok)", name))
    if faults:
        raise MarketError(faults, "argument")
    carbon = found.get("carbon_cost")
    beside = found["true_cost"] if carbon is None else found["true_cost"] - carbon
    electricity = found.get("electricity_cost", beside)
    return Costs(electricity, beside - electricity, carbon)


def decompose_values(
    layout: Layout,
    arrays: Arrays,
    values: Values,
    costs: Costs | None = None,
    charges: Charges | None = None,
) -> dict[str, Floats]:
    """Split prices given as plain arrays.

    Parameters
    ----------
    layout, arrays
        The market.
    values : Values
        Its clearing.
    costs : Costs, optional
        The true costs behind its offers.
    charges : Charges, optional
        What further limits charge, by default what the market's own do.

    Returns
    -------
    dict of ndarray
        By part, dims (node, workload), in $/Mtok: `PARTS`, with costs those of `variables.PRICE_PARTS`.
    """
    arrays = arrays.at_margin(values.dispatch, values.unserved)
    if values.along is not None:
        # Where demand takes paths, prices are explained along them: in the market of paths, and at its origins.
        expansion, alone, found = expanded_clearing(layout, arrays, values)
        behind_paths = None if costs is None else _of_cells(costs)
        of_cells = decompose_values(alone.layout, alone.arrays, found, behind_paths)
        return {name: part[expansion.cells.home, 0] for name, part in of_cells.items()}
    price = values.price
    behind = (
        {} if costs is None else {name: cost for name, cost in costs._asdict().items() if cost is not None}
    )
    if charges is None:
        charges = limit_charges(arrays, values)
    if charges is not None:
        behind |= {"limits": charges.dispatch, "power": charges.energy_dispatch}
    parts = {name: np.full(price.shape, np.nan) for name in (*PARTS, *behind)}
    charge = np.zeros(values.flow.shape)
    for term in arrays.links.terms:
        charge += term.charge(values.congestion_rent)
    along = {"congestion": charge, "routing": arrays.route_cost}
    if charges is not None:
        along |= {"limits": charges.flow, "power": charges.energy_flow}
    pays = 0.0 if charges is None else (charges.dispatch + charges.energy_dispatch)[:, :, None]
    offers = arrays.offer_price + pays
    tolerance = _TIGHT * max(1.0, float(np.abs(price).max(initial=0.0)))
    noise = _ACTIVE * to_serve(layout, arrays, values)
    running = values.dispatch > noise[layout.asset_node][:, :, None]
    _serve_at_home(layout, arrays, offers, running, values.dispatch, behind, parts)
    _follow(layout, along, values.flow > noise[layout.origin], parts)
    # Nothing active reaches the rest: take what would be active first.
    cost = sum(along.values(), start=np.zeros(charge.shape))
    gain = price[layout.origin] - price[layout.destination] if len(layout.arcs) else cost
    would_flow = arrays.allowed & (np.abs(cost - gain) <= tolerance)
    _follow(layout, along, would_flow, parts)
    worth = price[layout.asset_node][:, :, None] - offers
    would_run = (arrays.capacity > 0) & (worth >= -tolerance)
    _serve_at_home(layout, arrays, offers, would_run, arrays.capacity, behind, parts)
    _follow(layout, along, would_flow, parts)
    unexplained = np.isnan(parts["energy"])
    for name in ("energy", "routing", "congestion", *behind):
        parts[name][unexplained] = 0.0
    # Scarcity is what the others leave, so that the parts sum to the price; less than rounding is nothing.
    scarcity = price - parts["energy"] - parts["routing"] - parts["congestion"]
    power: Floats | float = 0.0
    if charges is not None:
        power = parts.pop("power")
        scarcity = scarcity - parts["limits"] - power
    parts["scarcity"] = _cleared(scarcity, np.maximum(1.0, np.abs(price)))
    if costs is None:
        parts["energy"] = parts["energy"] + power
        return parts
    offer, electricity, other = parts["energy"], parts["electricity"], parts["running"]
    markup = offer - electricity - other
    parts["markup"] = _cleared(markup - parts["carbon"] if "carbon" in behind else markup, np.abs(offer))
    parts["energy"] = electricity + power
    return {
        name: parts[name]
        for name in (*PRICE_PARTS, *(name for name in ("carbon", "limits") if name in behind))
    }


def _of_cells(costs: Costs) -> Costs:
    carbon = None if costs.carbon is None else costs.carbon.reshape(-1, 1)
    return Costs(costs.electricity.reshape(-1, 1), costs.running.reshape(-1, 1), carbon)


def limit_charges(arrays: Arrays, values: Values) -> Charges | None:
    """Return what a unit of service and of flow pays for further limits; None in a market without any."""
    if not arrays.limits:
        return None
    nothing = {"dispatch": np.zeros(values.dispatch.shape[:2]), "flow": np.zeros(values.flow.shape)}
    sums = {"limits": nothing, "energy": dict(nothing)}
    for limit in arrays.limits:
        limit.add_charges(values.rents[limit.rent], sums[limit.part])
    return Charges(**sums["limits"], **{f"energy_{name}": charge for name, charge in sums["energy"].items()})


def to_serve(layout: Layout, arrays: Arrays, values: Values) -> Floats:
    """Return all that a node has to serve, its own demand and what flows in, in Mtok/s, dims (node, workload)."""
    inflow = np.zeros(values.price.shape)
    np.add.at(inflow, layout.destination, values.flow)
    return inflow + total(arrays.demand)


def _cleared(part: Floats, beside: Floats) -> Floats:
    return np.where(np.abs(part) <= _ROUNDING * beside, 0.0, part)


def _serve_at_home(
    layout: Layout,
    arrays: Arrays,
    offers: Floats,
    running: NDArray[np.bool_],
    served: Floats,
    behind: dict[str, Floats],
    parts: dict[str, Floats],
) -> None:
    """Explain prices by the dearest of the node's own offers that run, with what they pay for limits: equation (8).

    Where equal offers are the dearest, the costs behind them count by what each has served.
    """
    shape = parts["energy"].shape
    dearest = np.where(running, offers, -np.inf).max(axis=2, initial=-np.inf)
    at_node = np.full(shape, -np.inf)
    np.maximum.at(at_node, layout.asset_node, dearest)
    here = np.isfinite(at_node) & np.isnan(parts["energy"])
    parts["energy"][here] = at_node[here]
    parts["routing"][here] = 0.0
    parts["congestion"][here] = 0.0
    if not behind:
        return
    marginal = running & (offers == at_node[layout.asset_node][:, :, None])
    if (
        "limits" in behind
    ):  # of offers that cost the same with what they pay, the offers themselves may differ
        own = np.where(marginal, arrays.offer_price, -np.inf).max(axis=2, initial=-np.inf)
        behind = {**behind, "energy": np.where(np.isfinite(own), own, 0.0)}
    weight, all_of_it = np.where(marginal, served, 0.0).sum(axis=2), np.zeros(shape)
    np.add.at(all_of_it, layout.asset_node, weight)
    for name, cost in behind.items():
        mixed = np.zeros(shape)
        np.add.at(mixed, layout.asset_node, weight * cost)
        parts[name][here] = mixed[here] / all_of_it[here]


def _follow(
    layout: Layout,
    along: dict[str, Floats],
    active: NDArray[np.bool_],
    parts: dict[str, Floats],
) -> None:
    """Explain prices from the far end of active arcs, one arc further each round: equations (9), (11)."""
    if not active.any():
        return
    arc, workload = np.nonzero(active)
    start, end = layout.origin[arc], layout.destination[arc]
    for _ in range(len(layout.nodes)):
        ready = np.isnan(parts["energy"][start, workload]) & ~np.isnan(parts["energy"][end, workload])
        if not ready.any():
            return
        a, k = arc[ready][::-1], workload[ready][::-1]  # of several arcs the first is written last, and stays
        i, j = layout.origin[a], layout.destination[a]
        for name in [name for name in parts if name != "scarcity"]:
            own = along.get(name)
            parts[name][i, k] = parts[name][j, k] if own is None else parts[name][j, k] + own[a, k]
