"""Agents of a batch whose submissions come from outside of it, as arrays over the seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from tokenflow_sim.errors import Fault, InputError, StrategyError
from tokenflow_sim.numeric import Floats
from tokenflow_sim.scenario import Scenario
from tokenflow_sim.strategies.assignment import resolve, specs
from tokenflow_sim.strategies.base import BaseStrategy, History, Kind, Offer, as_floats
from tokenflow_sim.strategies.demand import Bid
from tokenflow_sim.strategies.external import ExternalBid, ExternalOffer, ExternalTender
from tokenflow_sim.strategies.network import Tender

_ARRAYS: Mapping[Kind, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "provider": (("price", ("asset", "workload")), ("quantity", ("asset", "workload"))),
    "owner": (("route_cost", ("arc", "workload")), ("capacity", ("arc",))),
    "region": (
        ("quantity", ("node", "workload")), ("value", ("node", "workload")), ("worth", ("node", "workload")),
    ),
}  # fmt: skip
_OPTIONAL = ("worth",)
_WITHOUT = ("rng", "last_market", "market", "reference")
"""Fields of views and receipts that batches leave empty."""
_OF_ONE = ("assets", "nodes", "asset_node", "node", "arcs", "origin", "destination")
"""Fields of views that are labels and places of one market, the same in all."""


_STRATEGY: Mapping[Kind, type[ExternalOffer | ExternalTender | ExternalBid]] = {
    "provider": ExternalOffer,
    "owner": ExternalTender,
    "region": ExternalBid,
}
_SUBMISSION: Mapping[Kind, type[Offer | Tender | Bid]] = {"provider": Offer, "owner": Tender, "region": Bid}


@dataclass(frozen=True)
class Outside:
    """The agents of a batch whose submissions come from outside.

    Parameters
    ----------
    kinds : mapping
        Each agent's kind, by name.
    """

    kinds: Mapping[str, Kind]

    @classmethod
    def of(cls, scenario: Scenario, names: object) -> Outside:
        """Read the names that a user gave.

        Parameters
        ----------
        scenario : Scenario
            Whose agents they are.
        names : sequence of str
            Names of agents; ``providers``, ``owners`` or ``regions`` stands for all of a kind.

        Raises
        ------
        InputError
            With one line for each name that nobody, or more than one agent, has.
        """
        wanted = (names,) if isinstance(names, str) else names
        if not isinstance(wanted, Sequence) or not all(isinstance(name, str) for name in wanted):
            fault = Fault(f"must be names of agents; found {names!r:.80}", "external")
            raise InputError([fault], "batch")
        chosen, faults = resolve(specs(scenario.compiled), dict.fromkeys(wanted, True), "external")
        counts = [name for _, name in chosen]
        faults += [
            Fault(f"agents of two kinds are called {name!r}: only one can be external", "external")
            for name in dict.fromkeys(counts)
            if counts.count(name) > 1
        ]
        if faults:
            raise InputError(faults, "batch")
        return cls({name: kind for kind, name in chosen})

    @property
    def strategies(self) -> dict[str, type[BaseStrategy]]:
        """The strategies that stand for them, by the keys that `TokenMarket` takes."""
        return {f"{kind}s.{name}": _STRATEGY[kind] for name, kind in self.kinds.items()}

    def kind(self, name: str) -> Kind:
        """Return an external agent's kind.

        Raises
        ------
        InputError
            If it is no external agent.
        """
        if name in self.kinds:
            return self.kinds[name]
        known = ", ".join(self.kinds) or "none"
        fault = Fault(f"{name!r} is no external agent; external are: {known}", "name")
        raise InputError([fault], "batch")

    def read(
        self, name: str, sizes: Mapping[str, int], given: Sequence[Any], named: Mapping[str, Any]
    ) -> dict[str, Floats]:
        """Return the arrays of a submission by name, checked.

        Parameters
        ----------
        name : str
            The agent.
        sizes : mapping
            Number of seeds, classes, and of what the agent has, by dim.
        given : sequence
            Arrays in the order of the submission's.
        named : mapping
            Arrays by name.

        Raises
        ------
        InputError
            With one line for each array that is missing, unknown, of another shape, or no array of numbers.
        """
        rows = _ARRAYS[self.kind(name)]
        wanted = [label for label, _ in rows]
        places = ", ".join(wanted)
        if len(given) > len(wanted):
            raise self._error(name, [Fault(f"takes {places}; found {len(given)} arrays", "submit")])
        arrays = dict(zip(wanted, given, strict=False))
        faults = [
            Fault(f"is given twice or unknown; it takes {places}", one)
            for one in named
            if one in arrays or one not in wanted
        ]
        arrays |= {label: array for label, array in named.items() if array is not None}
        found: dict[str, Floats] = {}
        for label, dims in rows:
            if label not in arrays:
                if label not in _OPTIONAL:
                    faults.append(Fault("is missing", label))
                continue
            shape = (sizes["seed"], *(sizes[dim] for dim in dims))
            try:
                array = as_floats(label, arrays[label])
            except StrategyError as error:
                faults.append(Fault(str(error), label))
                continue
            if array.shape != shape:
                expected = ", ".join(("seed", *dims))
                faults.append(Fault(f"needs shape {shape}, dims ({expected}); found {array.shape}", label))
            found[label] = array
        if faults:
            raise self._error(name, faults)
        return found

    @staticmethod
    def _error(name: str, faults: Sequence[Fault]) -> InputError:
        return InputError(faults, f"submission of {name!r}")


def submission(kind: Kind, arrays: Mapping[str, Floats]) -> Offer | Tender | Bid:
    """Return arrays of one market, or of markets beside each other, as what a strategy of a kind returns."""
    return _SUBMISSION[kind](**arrays)


def with_seeds[T](seen: Sequence[T]) -> T:
    """Join what agents of one name see in several markets: arrays get a leading dim of seeds.

    Parameters
    ----------
    seen : sequence
        Views or receipts, one a market.
    """
    first: Any = seen[0]
    changes: dict[str, Any] = {}
    for field in fields(first):
        value = getattr(first, field.name)
        if field.name in _OF_ONE:
            continue
        each = [getattr(one, field.name) for one in seen]
        if isinstance(value, np.ndarray):
            changes[field.name] = np.stack(each)
        elif isinstance(value, History):
            changes[field.name] = History(
                *(np.stack([getattr(one, part.name) for one in each]) for part in fields(History))
            )
        elif field.name in _WITHOUT:
            changes[field.name] = None
    joined: T = replace(first, **changes)
    return joined


def by_market[T](seen: T, alone: Any, many: int) -> T:
    """Return what the agents of one name see in markets beside each other, with a leading dim of seeds in arrays.

    Parameters
    ----------
    seen : View or Receipt, of whatever kind
        Of all markets, whose rows follow each other.
    alone : Participant
        The agent of one market, for its labels, places and contracts.
    many : int
        How many markets there are.
    """
    found: Any = seen
    changes: dict[str, Any] = {}
    for field in fields(found):
        value = getattr(found, field.name)
        if field.name in _OF_ONE:
            changes[field.name] = getattr(alone, field.name)
        elif isinstance(value, np.ndarray):
            changes[field.name] = value.reshape(many, -1, *value.shape[1:])
        elif isinstance(value, History):
            changes[field.name] = History(
                *(
                    part.reshape(len(part), many, part.shape[1] // many, part.shape[2]).swapaxes(0, 1)
                    for part in (value.price, value.demand, value.unserved)
                )
            )
        elif field.name in _WITHOUT:
            changes[field.name] = None
        elif field.name == "contracts" and value is not None:
            changes[field.name] = alone.holding.at(found.period)
    split: T = replace(found, **changes)
    return split
