"""Forward contracts as arrays, and what is wrong with them: parties, nodes and classes that do not exist."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tokenflow_sim.errors import unknown_name
from tokenflow_sim.numeric import SECONDS_PER_HOUR, Floats, Ints, frozen
from tokenflow_sim.scenario.contracts import PARTIES
from tokenflow_sim.scenario.mergers import firms_of
from tokenflow_sim.scenario.places import Found, Loc
from tokenflow_sim.scenario.positions import Positions
from tokenflow_sim.scenario.schema import ScenarioFields

Party = tuple[str, str]
"""Kind and name of an agent, e.g. ``("provider", "atlas")``."""


@dataclass(frozen=True, eq=False)
class Contracts:
    """The forward contracts of a scenario as arrays. All are read-only.

    Parameters
    ----------
    names : tuple of str
        Their names.
    sellers, buyers : tuple of (kind, name) or None
        Who they are; None for somebody outside the market. Of providers that merged, the new firm.
    node, workload : ndarray of int
        Positions of node and class, dims (contract,).
    price : ndarray
        In $/Mtok, dims (contract,).
    fixed : ndarray
        Quantity in Mtok/s, dims (contract,), of those that have one for all periods.
    by_period : mapping
        Quantities by period of the others, by position.
    first, last : ndarray of int
        First and last period, dims (contract,).
    shape : tuple of int
        How many nodes and classes there are.
    hours : float
        Length of a period.
    """

    names: tuple[str, ...]
    sellers: tuple[Party | None, ...]
    buyers: tuple[Party | None, ...]
    node: Ints
    workload: Ints
    price: Floats
    fixed: Floats
    by_period: Mapping[int, Floats]
    first: Ints
    last: Ints
    shape: tuple[int, int]
    hours: float

    def quantity(self, period: int) -> Floats:
        """Return the quantities of a period in Mtok/s, zero outside of a contract's periods, dims (contract,)."""
        found: Floats = np.where((self.first <= period) & (period <= self.last), self.fixed, 0.0)
        for place, series in self.by_period.items():
            is_there = self.first[place] <= period <= self.last[place] and period < len(series)
            found[place] = series[period] if is_there else 0.0
        return found

    def payment(self, period: int, price: Floats) -> Floats:
        """Return what sellers pay to buyers.

        Parameters
        ----------
        period : int
            The period.
        price : ndarray
            Locational marginal prices in $/Mtok, dims (node, workload).

        Returns
        -------
        ndarray
            (market price - contract price) x quantity in $ a period, dims (contract,).
        """
        difference = price[self.node, self.workload] - self.price
        paid: Floats = difference * self.quantity(period) * (SECONDS_PER_HOUR * self.hours)
        return paid

    def beside(self, many: int) -> Contracts:
        """Return the contracts of so many markets beside each other, whose nodes follow each other."""
        count, nodes = len(self.names), self.shape[0]
        shift = np.repeat(np.arange(many) * nodes, count)
        series = {
            place + number * count: one for number in range(many) for place, one in self.by_period.items()
        }

        def tiled[A: np.ndarray](array: A) -> A:
            return frozen(np.tile(array, many))  # type: ignore[return-value]

        return replace(
            self, names=self.names * many, sellers=self.sellers * many, buyers=self.buyers * many,
            node=frozen(np.tile(self.node, many) + shift), workload=tiled(self.workload), price=tiled(self.price),
            fixed=tiled(self.fixed), by_period=series, first=tiled(self.first), last=tiled(self.last),
            shape=(many * nodes, self.shape[1]),
        )  # fmt: skip

    def labels(self, nodes: Sequence[str], workloads: Sequence[str]) -> dict[str, list[str]]:
        """Return names of contracts, where they are settled, and their parties as ``kind:name``, by coordinate."""
        return {
            "contract": list(self.names),
            "contract_node": [nodes[place] for place in self.node],
            "contract_workload": [workloads[place] for place in self.workload],
            "contract_seller": [":".join(party or ()) for party in self.sellers],
            "contract_buyer": [":".join(party or ()) for party in self.buyers],
        }

    def side(self, party: Party) -> Floats:
        """Return 1 for each contract that an agent has sold, -1 that it has bought, and 0, dims (contract,)."""
        signs = zip(self.sellers, self.buyers, strict=True)
        return np.array([float(seller == party) - float(buyer == party) for seller, buyer in signs])

    def held_by(self, party: Party) -> Holding | None:
        """Return the contracts of an agent; None where it has none."""
        pairs = zip(self.sellers, self.buyers, strict=True)
        rows = np.flatnonzero([party in pair for pair in pairs])
        return Holding(self, rows, self.side(party)[rows]) if len(rows) else None


class Holding:
    """The contracts of one agent.

    Parameters
    ----------
    contracts : Contracts
        All contracts.
    rows : ndarray of int
        Positions of its own.
    side : ndarray
        1 where it sells, -1 where it buys, dims as `rows`.
    """

    def __init__(self, contracts: Contracts, rows: Ints, side: Floats) -> None:
        self._contracts, self._rows, self._side = contracts, rows, side
        self._names = tuple(contracts.names[row] for row in rows)
        self._places = frozen(contracts.node[rows]), frozen(contracts.workload[rows])
        self._price = frozen(contracts.price[rows])
        self._last: tuple[int, Positions] | None = None

    def at(self, period: int) -> Positions:
        """Return the positions in a period; one and the same object while it lasts."""
        if self._last is None or self._last[0] != period:
            made = self._contracts
            sold = frozen(made.quantity(period)[self._rows] * self._side)
            found = Positions(self._names, *self._places, sold, self._price, made.shape, made.hours)
            self._last = period, found
        return self._last[1]


def contracts_of(scenario: ScenarioFields, regions: Iterable[str]) -> Contracts | None:
    """Return the forward contracts of a scenario without faults; None where it has none.

    Parameters
    ----------
    scenario : ScenarioFields
        The scenario.
    regions : iterable of str
        Names of its demand regions.
    """
    made = scenario.contracts
    if not made:
        return None
    known = parties_of(scenario, regions)
    nodes, workloads = list(scenario.nodes), list(scenario.workloads)
    items = list(made.values())
    fixed = [item.quantity if isinstance(item.quantity, float) else 0.0 for item in items]
    series = {
        place: frozen(np.array(item.quantity))
        for place, item in enumerate(items)
        if not isinstance(item.quantity, float)
    }
    endless = np.iinfo(np.int64).max
    return Contracts(
        names=tuple(made),
        sellers=tuple(known[item.seller][0] if item.seller else None for item in items),
        buyers=tuple(known[item.buyer][0] if item.buyer else None for item in items),
        node=frozen(np.array([nodes.index(item.node) for item in items], dtype=np.int64)),
        workload=frozen(np.array([workloads.index(item.workload) for item in items], dtype=np.int64)),
        price=frozen(np.array([item.price for item in items], dtype=np.float64)),
        fixed=frozen(np.array(fixed, dtype=np.float64)),
        by_period=series,
        first=frozen(np.array([item.first for item in items], dtype=np.int64)),
        last=frozen(
            np.array([endless if item.last is None else item.last for item in items], dtype=np.int64)
        ),
        shape=(len(nodes), len(workloads)),
        hours=scenario.hours,
    )


def parties_of(scenario: ScenarioFields, regions: Iterable[str]) -> dict[str, list[Party]]:
    """Return the agents that each text may mean: names, and names with their kind before them.

    Parameters
    ----------
    scenario : ScenarioFields
        The scenario; where providers have merged, their names mean the new firm.
    regions : iterable of str
        Names of its demand regions.
    """
    firms = firms_of(scenario.mergers, scenario.providers)
    known: dict[str, dict[str, str]] = {
        "provider": firms | {name: name for name in scenario.mergers},
        "owner": {name: name for name in scenario.owners},
        "region": {name: name for name in regions},
    }
    found: dict[str, list[Party]] = {}
    for kind in PARTIES:
        for name, agent in known[kind].items():
            found.setdefault(name, []).append((kind, agent))
            found[f"{kind}:{name}"] = [(kind, agent)]
    return found


Refer = Callable[[Loc, str, Iterable[str]], bool]


def find_contract_faults(
    scenario: ScenarioFields, regions: Iterable[str] | None, refer: Refer
) -> Iterator[Found]:
    """Find contracts on what does not exist, and quantities that do not cover their periods.

    Parameters
    ----------
    scenario : ScenarioFields
        What the schema accepts.
    regions : iterable of str or None
        Names of the demand regions; None where some agents could not be read, so that parties are not looked at.
    refer : callable
        Checks names of other sections.
    """
    known = {} if regions is None else parties_of(scenario, regions)
    for name, item in scenario.contracts.items():
        place: Loc = ("contracts", name)
        refer((*place, "node"), "nodes", [item.node])
        refer((*place, "workload"), "workloads", [item.workload])
        sides: list[Party] = []
        for side in ("seller", "buyer") if known else ():
            given = getattr(item, side)
            options = known.get(given, []) if given else []
            if given and not options:
                yield (*place, side), unknown_name("agent", given, [one for one in known if ":" not in one])
            elif len(options) > 1:
                either = " or ".join(f"{kind}:{given}" for kind, _ in options)
                yield (*place, side), f"several agents are called {given!r}; write {either}"
            sides += options[:1]
        # Members of one merged firm may have contracts with each other, which come to nothing.
        plain = {(given or "").rpartition(":")[2] for given in (item.seller, item.buyer)}
        if len(sides) == 2 and sides[0] == sides[1] and len(plain) == 1:
            yield place, f"has {item.seller!r} as seller and buyer; leave one of them out, or name another"
        if not isinstance(item.quantity, float):
            last = scenario.periods - 1 if item.last is None else min(item.last, scenario.periods - 1)
            if len(item.quantity) <= last:
                yield (
                    (*place, "quantity"),
                    f"covers periods 0 to {len(item.quantity) - 1}, where the contract lasts to period {last}",
                )
