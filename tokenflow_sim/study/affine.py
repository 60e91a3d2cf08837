"""A market as a model of oligopoly reads it: affine demand, who plays, and what they have sold forward."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from scipy import sparse
from scipy.sparse import csgraph

from tokenflow_sim.errors import Fault, MarketError, unknown_name
from tokenflow_sim.market import Market
from tokenflow_sim.market.arrays import total
from tokenflow_sim.market.clearing import require_market
from tokenflow_sim.numeric import Bools, Floats, Ints

_LISTED = 5
# Share of demand by which a quantity may exceed it, as rounding does.
_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class AffineMarket:
    """Affine demand and its suppliers.

    Parameters
    ----------
    market : Market
        The market; its offers are true costs.
    intercept, slope, most : ndarray
        Inverse demand ``p = intercept - slope q`` of q up to `most`, in $/Mtok and Mtok/s, dims (node, workload); zero
        where there is no demand.
    there : ndarray of bool
        Where there is demand, dims (node, workload).
    providers : tuple of str
        All providers, in the order of their first assets.
    provider_of : ndarray of int
        Position of each asset's provider, dims (asset,).
    plays : ndarray of bool
        Which providers choose quantities and know that these move prices, dims (provider,); all others take prices.
    forward : ndarray
        What each has sold forward in Mtok/s, dims (provider, node, workload).
    """

    market: Market
    intercept: Floats
    slope: Floats
    most: Floats
    there: Bools
    providers: tuple[str, ...]
    provider_of: Ints
    plays: Bools
    forward: Floats

    @property
    def islands(self) -> Ints:
        """A number for each set of nodes that arcs join for a class, from 0 on, dims (node, workload)."""
        layout, arrays = self.market.layout, self.market.arrays
        nodes, classes = self.intercept.shape
        found = np.zeros((nodes, classes), dtype=np.int64)
        for k in range(classes):
            opened = arrays.allowed[:, k] & (arrays.link_capacity > 0)
            ends = (layout.origin[opened], layout.destination[opened])
            graph = sparse.coo_array((np.ones(int(opened.sum())), ends), shape=(nodes, nodes))
            found[:, k] = csgraph.connected_components(graph, directed=False)[1]
        return found

    def check_quantity(self, quantity: Floats) -> None:
        """Refuse what is demanded beyond the end of an affine demand, where its value jumps to nothing.

        Raises
        ------
        MarketError
            Naming the first places.
        """
        beyond = quantity > self.most * (1 + _ROUNDING)
        if beyond.any():
            layout = self.market.layout
            spots = [
                f"node {layout.nodes[n]!r}, workload {layout.workloads[k]!r}: {self.most[n, k]:g}"
                for n, k in np.argwhere(beyond)[:_LISTED].tolist()
            ]
            rule = "is affine only up to less than would be sold; extend it to value / value_slope"
            raise MarketError([Fault(f"{rule}; found {'; '.join(spots)} Mtok/s", "demand")], "market")


def affine_market(
    market: object, players: Sequence[str] | None, forward: object, *, what: str
) -> AffineMarket:
    """Read a market as one of affine demand.

    Parameters
    ----------
    market : Market
        The market; its offers are true costs.
    players : sequence of str or None
        Providers that play; None stands for all.
    forward : DataArray, mapping or None
        What players have sold forward, see `cournot`.
    what : str
        What needs it, for the message.

    Raises
    ------
    MarketError
        If it is no Market, has demand that is not affine, or what cannot be cleared with it; for unknown names, and
        forward positions that are not numbers or stand where nobody asks for anything.
    """
    require_market(market)
    assert isinstance(market, Market)
    layout, arrays = market.layout, market.arrays
    faults: list[Fault] = []
    slope = np.zeros_like(arrays.demand) if arrays.value_slope is None else arrays.value_slope
    asked = arrays.demand > 0
    steps = asked.sum(axis=2)
    if not asked.any():
        faults.append(Fault("is zero everywhere", "demand"))
    if (asked & ~(slope > 0)).any() or (steps > 1).any():
        n, k, _ = np.argwhere((asked & ~(slope > 0)) | (asked & (steps > 1)[:, :, None]))[0]
        place = f"node {layout.nodes[n]!r}, workload {layout.workloads[k]!r}"
        rule = f"{what} needs affine demand everywhere, one step with a value and a positive value_slope"
        faults.append(Fault(f"{rule}; not so at {place}", "value_slope"))
    if arrays.routing is not None or arrays.security is not None:
        faults.append(Fault(f"{what} knows no rules for whole paths and no losses", "market"))
    providers = tuple(dict.fromkeys(layout.provider))
    names = list(providers) if players is None else _names(players)
    strange = [name for name in names if name not in providers]
    faults += [Fault(unknown_name("provider", name, list(providers)), "players") for name in strange]
    taken = _forward(market, providers, forward, steps > 0, faults)
    if faults:
        raise MarketError(faults, "argument" if strange else "market")
    nothing = ~asked
    return AffineMarket(
        market=market,
        intercept=np.where(nothing, 0.0, arrays.value).sum(axis=2),
        slope=np.where(nothing, 0.0, slope).sum(axis=2),
        most=total(arrays.demand),
        there=steps > 0,
        providers=providers,
        provider_of=np.array([providers.index(name) for name in layout.provider], dtype=np.int64),
        plays=np.array([name in names for name in providers]),
        forward=taken,
    )


def _names(players: Sequence[str]) -> list[str]:
    return [players] if isinstance(players, str) else [str(name) for name in players]


def _forward(
    market: Market, providers: tuple[str, ...], forward: Any, there: Bools, faults: list[Fault]
) -> Floats:
    layout = market.layout
    found = np.zeros((len(providers), *there.shape))
    if forward is None:
        return found
    entries: list[tuple[Any, Any, Any, Any]] = []
    if isinstance(forward, xr.DataArray):
        wanted = ("provider", "node", "workload")
        if set(forward.dims) != set(wanted):
            rule = f"has dims ({', '.join(map(str, forward.dims))}) where ({', '.join(wanted)}) are needed"
            faults.append(Fault(rule, "forward"))
            return found
        series = forward.transpose(*wanted).to_series()
        places: list[Any] = list(series.index)
        entries = [(*place, number) for place, number in zip(places, series.to_numpy(), strict=True)]
    elif isinstance(forward, Mapping):
        for name, position in forward.items():
            if isinstance(position, Mapping):
                entries += [(name, *place, number) for place, number in position.items()]
            elif there.sum() == 1:
                n, k = np.argwhere(there)[0]
                entries.append((name, layout.nodes[n], layout.workloads[k], position))
            else:
                rule = "needs {(node, workload): Mtok/s} where there is demand at more than one place"
                faults.append(Fault(rule, f"forward[{name!r}]"))
    else:
        rule = "must be a DataArray with dims (provider, node, workload), or {player: {(node, workload): Mtok/s}}"
        faults.append(Fault(f"{rule}; found {type(forward).__name__}", "forward"))
    known = {"provider": list(providers), "node": list(layout.nodes), "workload": list(layout.workloads)}
    for name, node, workload, number in entries:
        place = f"forward[{name!r}, {node!r}, {workload!r}]"
        labels = {"provider": name, "node": node, "workload": workload}
        wrong = [
            Fault(unknown_name(dim, one, known[dim]), place)
            for dim, one in labels.items()
            if one not in known[dim]
        ]
        if wrong:
            faults += wrong
            continue
        spot = tuple(known[dim].index(one) for dim, one in labels.items())
        if not np.isfinite(number):
            faults.append(Fault(f"must be finite (Mtok/s); found {number!r}", place))
        elif number != 0 and not there[spot[1:]]:
            faults.append(Fault("stands where there is no demand", place))
        else:
            found[spot] = number
    return found
