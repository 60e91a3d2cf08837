"""What can be delivered to a node: its residual supply with imports, and concentration among who can reach it."""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from tokenflow_sim.errors import ResultError
from tokenflow_sim.market.pivotal import supply_of_class
from tokenflow_sim.market.routing import may_serve
from tokenflow_sim.numeric import Bools, Floats, Ints
from tokenflow_sim.results.reading import Background, collapse, need_periods, needed, sum_at
from tokenflow_sim.scenario import Scenario

DELIVERED = 0.05
"""Share by which delivered cost may exceed the price and still count: FERC's 105 per cent."""
POINTS = 10_000.0
_ROUNDING = 1e-9


def local_residual_supply_index(ds: xr.Dataset, scenario: Scenario | None = None) -> xr.DataArray:
    """Return the residual supply index of each node: what the others could bring there, over what is asked for there.

    Parameters
    ----------
    ds : Dataset
        Results of a run.
    scenario : Scenario, optional
        The scenario that made them, where it is at hand.

    Returns
    -------
    DataArray
        Dims (period, provider, node, workload). Below 1, demand of the node cannot be met without the provider.
        Infinite where nothing is asked for; NaN where demand is missing.

    Raises
    ------
    ResultError
        If the results lack something.

    Notes
    -----
    (local capacity of the others + imports) / demand, where imports are the room of all links into the node that the
    class may use, but no more than what the others have elsewhere. Where classes share the power of an asset or the
    capacity of a link, a class has what is left of it when the others are served as they were; capacity is what
    exists, outages taken off, not what was offered. Other nodes want the same imports, and farther links may be
    full: it is an upper bound, hence says who *is* pivotal at a node, by supply alone, when it is below 1. `pivotal`
    clears the market without the provider; `residual_supply_index` looks at all nodes as one. Where rules hold along
    whole paths (latency, residency), only nodes that may serve the node's requests count.

    References
    ----------
    A. Y. Sheffrin, "Predicting Market Power Using the Residual Supply Index", FERC Market Monitoring Workshop, 2002:
    total supply includes imports up to the capacity of the lines.
    """
    names: tuple[str, ...] = ("dispatch", "flow", "demand", "asset_node", "asset_provider", "provider")
    names += ("unserved",) if "step" in ds.dims else ()
    ds = need_periods(ds, names, "local_residual_supply_index")
    background = Background.of(ds, "local_residual_supply_index", scenario)
    layout = background.compiled.layout
    supply = _by_place(ds, background, _supply(ds, background))
    room = link_room(ds, background)
    others = supply.sum(axis=2, keepdims=True) - supply
    whole = supply.sum(axis=(1, 2))[:, None, None, :]
    # What the sums leave of nothing is not a supply.
    others = np.where(others <= _ROUNDING * whole, 0.0, others)
    may = _may_serve(background)
    if may is None:
        elsewhere = others.sum(axis=1, keepdims=True) - others
    else:
        at_home = others * may.diagonal(axis1=0, axis2=2).T[:, None, :]
        elsewhere = np.einsum("nkm,tmpk->tnpk", may.astype(float), others) - at_home
        others = at_home
    # An arc carries requests from where they are made to where they are served.
    into = sum_at(room, layout.origin, len(layout.nodes))
    imports = np.minimum(into[:, :, None, :], np.maximum(elsewhere, 0.0))
    asked = needed(ds).transpose("period", "node", "workload").values[:, :, None, :]
    with np.errstate(invalid="ignore", divide="ignore"):
        index = np.where(asked == 0, np.inf, (others + imports) / asked)
    return xr.DataArray(
        index.transpose(0, 2, 1, 3),
        dims=("period", "provider", "node", "workload"),
        coords={dim: ds[dim].values for dim in ("period", "provider", "node", "workload")},
        name="local_residual_supply_index",
        attrs={"units": "1", "long_name": "residual supply index of the node, imports included"},
    )


def delivered_price_hhi(
    ds: xr.Dataset, *, within: float = DELIVERED, scenario: Scenario | None = None
) -> xr.DataArray:
    """Return the Herfindahl-Hirschman index of those who could deliver to a node at no more than its price.

    Parameters
    ----------
    ds : Dataset
        Results of a run. `truthful` makes competitive prices of them, which FERC takes.
    within : float
        Share by which delivered cost may exceed the price at the node.
    scenario : Scenario, optional
        The scenario that made them, where it is at hand.

    Returns
    -------
    DataArray
        Points from 0 to 10,000, dims (period, node, workload); NaN where nobody could deliver at that price, and where
        the price is missing.

    Raises
    ------
    ResultError
        If the results lack something, or `within` is negative.

    Notes
    -----
    A provider's share is that of its economic capacity: what it could make at a true cost which, with the route cost
    of the cheapest path to the node, is at most (1 + within) times the price there. Capacity goes along these paths;
    where more of it comes together than a link has room for, each provider's part is cut by the same share, link by
    link towards the node (pro rata). Capacity and room are those of `local_residual_supply_index`: what exists, less
    what other classes use of shared power and links. It asks who *could* sell there, `hhi` who does. A provider whose
    cheapest path is full gets no credit for a dearer one. Where rules hold along whole paths, only nodes that may
    serve the node's requests, by the quickest path if not by the cheapest, count. It takes time in proportion to the
    square of the number of nodes.

    References
    ----------
    Federal Energy Regulatory Commission, Order No. 592 (Merger Policy Statement, 1996), Appendix A, and Order
    No. 697 (2007): delivered price test, economic capacity at up to 105 per cent of the price, transmission prorated
    among suppliers.
    """
    names = ("price", "dispatch", "flow", "demand", "asset_node", "asset_provider", "provider")
    ds = need_periods(ds, names, "delivered_price_hhi")
    if not within >= 0:
        raise ResultError(
            f"delivered_price_hhi: within must be a share of a price from 0 on; found {within!r}"
        )
    background = Background.of(ds, "delivered_price_hhi", scenario)
    price = ds["price"].transpose("period", "node", "workload").values
    cost = background.true_cost.values
    supply = _supply(ds, background)
    room = link_room(ds, background)
    asset_node = background.compiled.layout.asset_node
    may = _may_serve(background)
    index = np.full(price.shape, np.nan)
    for k in range(price.shape[2]):
        paths = _Paths(background, k, room[:, :, k])
        for n in range(price.shape[1]):
            most = (1 + within + _ROUNDING) * price[:, n, k]
            cheap = cost[:, :, k] + paths.cost[n, asset_node] <= most[:, None]
            if may is not None:
                cheap &= may[n, k, asset_node]
            own = np.where(cheap, supply[:, :, k], 0.0)[:, :, None]
            held = paths.deliver(n, _by_place(ds, background, own)[:, :, :, 0])
            all_ = held.sum(axis=1)
            with np.errstate(invalid="ignore", divide="ignore"):
                index[:, n, k] = np.where(all_ > 0, POINTS * (held**2).sum(axis=1) / all_**2, np.nan)
    return xr.DataArray(
        index,
        dims=("period", "node", "workload"),
        coords={dim: ds[dim].values for dim in ("period", "node", "workload")},
        name="delivered_price_hhi",
        attrs={"units": "points", "long_name": "Herfindahl-Hirschman index of what can be delivered"},
    )


class _Paths:
    """The cheapest ways to serve each node's requests of one class, and how much fits on them."""

    def __init__(self, background: Background, k: int, room: Floats) -> None:
        network = background.compiled.network
        nodes = len(background.compiled.layout.nodes)
        arcs = np.flatnonzero(network.allowed[:, k])
        # Of parallel links the cheapest counts for cost, and all of them for room.
        pair, place = np.unique(network.origin[arcs] * nodes + network.destination[arcs], return_inverse=True)
        cost = np.full(len(pair), np.inf)
        np.minimum.at(cost, place, network.route_cost[arcs, k])
        self._room = sum_at(room[:, arcs], place, len(pair))
        self._pair = {int(key): number for number, key in enumerate(pair)}
        # Stored zeros are links that cost nothing.
        graph = csr_array((cost, (pair // nodes, pair % nodes)), shape=(nodes, nodes))
        self.cost: Floats
        self.cost, self._before = dijkstra(graph, return_predecessors=True)
        self._nodes = nodes

    def deliver(self, node: int, held: Floats) -> Floats:
        """Return what of each firm's capacity reaches a node, dims (period, firm).

        Parameters
        ----------
        node : int
            Position of the node.
        held : ndarray
            Capacity by where it stands, dims (period, node, firm).
        """
        before = self._before[node]
        for place in self._outermost_first(node):
            limit = self._room[:, self._pair[int(before[place]) * self._nodes + place]]
            coming = held[:, place].sum(axis=1)
            kept = np.where(coming > limit, limit / np.where(coming > 0, coming, 1.0), 1.0)
            held[:, before[place]] += held[:, place] * kept[:, None]
        return held[:, node]

    def _outermost_first(self, node: int) -> Ints:
        """Return the nodes that a node reaches, each before the one that lies between them."""
        before, steps = self._before[node], np.zeros(self._nodes, dtype=np.int64)
        at = before.astype(np.int64)
        while (away := at >= 0).any():
            steps[away] += 1
            at[away] = before[at[away]]
        reached = np.flatnonzero(steps)
        return reached[np.argsort(-steps[reached], kind="stable")]


def link_room(ds: xr.Dataset, background: Background) -> Floats:
    """Return how much of each class fits on each link when the other classes use it as they did.

    Parameters
    ----------
    ds : Dataset
        Results of a run.
    background : Background
        What its scenario says.

    Returns
    -------
    ndarray
        In Mtok/s, dims (period, arc, workload); zero where the class may not use the link, infinite where nothing
        limits it.
    """
    use = background.link_use
    load = ds["flow"].transpose("period", "arc", "workload").values * use
    left = background.link_capacity.values[:, :, None] - (load.sum(axis=2, keepdims=True) - load)
    with np.errstate(invalid="ignore"):
        room = np.where(use > 0, np.maximum(left, 0.0) / np.where(use > 0, use, 1.0), np.inf)
    found: Floats = np.where(background.allowed, room, 0.0)
    return found


def _may_serve(background: Background) -> Bools | None:
    """Return which node may serve whom under rules for whole paths; None where there are none."""
    compiled = background.compiled
    rules = compiled.path_rules
    return None if rules.routing is None else may_serve(rules.routing, compiled.layout, rules.allowed)


def _supply(ds: xr.Dataset, background: Background) -> Floats:
    """Return what each asset could serve of each class in Mtok/s, dims (period, asset, workload)."""
    use, limit = background.power_use, background.power_limit
    if use is None or limit is None:
        return np.asarray(background.capacity.values)
    dispatch = collapse(ds, "dispatch").transpose("period", "asset", "workload").values
    return supply_of_class(background.capacity.values, use.values, limit.values, dispatch)


def _by_place(ds: xr.Dataset, background: Background, supply: Floats) -> Floats:
    """Add up what assets have by node and provider, dims (period, node, provider, workload)."""
    firms = [str(name) for name in ds["provider"].values]
    firm = np.array([firms.index(str(name)) for name in ds["asset_provider"].values], dtype=np.int64)
    layout = background.compiled.layout
    nodes, count = len(layout.nodes), len(firms)
    held = sum_at(supply, layout.asset_node * count + firm, nodes * count)
    return held.reshape(len(supply), nodes, count, supply.shape[2])
