"""What an agent sees, as a vector of numbers between -1 and 1.

Policies that were trained elsewhere take vectors. Which quantities of a view enter, in which order, and what each is
divided by, is told here once: environments and trained policies use the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from operator import attrgetter
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tokenflow_sim.errors import StrategyError
from tokenflow_sim.numeric import Floats
from tokenflow_sim.strategies.base import Kind

Form = Literal["ratio", "share", "level"]
"""How a quantity x with scale s becomes a number: ``x / (s + |x|)``, ``x / s``, or x as it is."""
Vector = NDArray[np.float32]

DAY, WEEK = 24.0, 168.0
MOST_LAGS = 10_000
"""Published periods that may be observed: more than a year of hours."""
_HUGE = 1e300  # stands for what is infinite: as a ratio it is 1


@dataclass(frozen=True)
class Field:
    """A quantity that an observation may have.

    Parameters
    ----------
    unit : str
        Its unit in the view.
    dims : tuple of str
        Its dims: ``row`` for the agent's own assets, arcs or nodes, ``workload``, ``node`` for all nodes, ``lag`` for
        published periods, the last one first, ``market_asset`` for everybody's assets, ``part`` for sine and cosine.
    form : {'ratio', 'share', 'level'}
        How it becomes a number.
    scale : str
        What it is divided by, of `encoding_scales.scales_of`, e.g. ``price``.
    read : callable
        Takes it from a view; None before the first clearing.
    low : float
        Its least number, -1 or 0.
    meaning : str
        What it is.
    """

    unit: str
    dims: tuple[str, ...]
    form: Form
    scale: str
    read: Callable[[Any], Floats | None]
    low: float
    meaning: str


def _bounded(name: str) -> Callable[[Any], Floats]:
    take = attrgetter(name)
    return lambda view: np.minimum(take(view), _HUGE)


def _cycle(span: float) -> Callable[[Any], Floats]:
    def read(view: Any) -> Floats:
        angle = 2.0 * math.pi * ((view.period * view.hours) % span) / span
        return np.array((math.sin(angle), math.cos(angle)))

    return read


def _offers(view: Any) -> Floats | None:
    """Return everybody's offer prices of the last period: of several blocks the cheapest with a quantity."""
    if view.last_market is None:
        return None
    arrays = view.last_market.arrays
    if arrays.offer_price.shape[2] == 1:
        first: Floats = arrays.offer_price[:, :, 0]
        return first
    dear = arrays.offer_price.max(axis=2)
    there = np.where(arrays.capacity > 0, arrays.offer_price, np.inf).min(axis=2)
    return np.where(np.isfinite(there), there, dear)


_OWN, _MARKET, _PART = ("row", "workload"), ("lag", "node", "workload"), ("part",)
_PRICE, _RATE, _MONEY = "$/Mtok", "Mtok/s", "$"
_COMMON: dict[str, Field] = {
    "published_price": Field(
        _PRICE, _MARKET, "ratio", "price", attrgetter("history.price"), -1, "prices of past periods, everywhere"
    ),
    "published_demand": Field(
        _RATE, _MARKET, "ratio", "quantity", attrgetter("history.demand"), 0, "demand bid in past periods"
    ),
    "published_unserved": Field(
        _RATE, _MARKET, "ratio", "quantity", attrgetter("history.unserved"), 0, "demand not served in past periods"
    ),
    "published_offers": Field(
        _PRICE, ("market_asset", "workload"), "ratio", "price", _offers, -1,
        "everybody's offer prices of the last period; zero where the market keeps them secret",
    ),
    "day": Field("1", _PART, "level", "one", _cycle(DAY), -1, "sine and cosine of the hour of the day"),
    "week": Field("1", _PART, "level", "one", _cycle(WEEK), -1, "sine and cosine of the hour of the week"),
    "elapsed": Field(
        "1", (), "level", "one", lambda view: np.array(view.period / view.periods), 0,
        "share of the periods that are over",
    ),
}  # fmt: skip
_LAST_PRICE = Field(
    _PRICE, _OWN, "ratio", "price", attrgetter("last_price"), -1, "own prices of the last period"
)
FIELDS: dict[Kind, dict[str, Field]] = {
    "provider": {
        "cost": Field(_PRICE, _OWN, "ratio", "price", attrgetter("cost"), -1, "true cost of the next period"),
        "capacity": Field(
            _RATE, _OWN, "share", "installed", attrgetter("capacity"), 0, "capacity of the next period"
        ),
        "last_price": _LAST_PRICE,
        "last_dispatch": Field(
            _RATE, _OWN, "share", "installed", attrgetter("last_dispatch"), 0, "own dispatch of the last period"
        ),
        "last_profit": Field(
            _MONEY, _OWN, "ratio", "money", attrgetter("last_profit"), -1, "own profit of the last period"
        ),
        **_COMMON,
    },
    "owner": {
        "route_cost": Field(
            _PRICE, _OWN, "ratio", "price", attrgetter("route_cost"), 0, "true cost of transport"
        ),
        "capacity": Field(
            "GB/s or Mtok/s", ("row",), "ratio", "link", _bounded("capacity"), 0,
            "link capacity of the next period; 1 where it is unlimited",
        ),
        "last_flow": Field(
            _RATE, _OWN, "ratio", "quantity", attrgetter("last_flow"), 0, "own flows of the last period"
        ),
        "last_congestion_rent": Field(
            "$/GB or $/Mtok", ("row",), "ratio", "rent", attrgetter("last_congestion_rent"), 0,
            "own congestion rents of the last period",
        ),
        "last_income": Field(
            _MONEY, _OWN, "ratio", "money", attrgetter("last_income"), -1, "own income of the last period"
        ),
        **_COMMON,
    },
    "region": {
        "demand": Field(
            _RATE, _OWN, "ratio", "quantity", attrgetter("demand"), 0, "what users want in the next period"
        ),
        "value": Field(
            _PRICE, _OWN, "ratio", "price", _bounded("value"), 0, "its value; 1 where it must be served"
        ),
        "last_price": _LAST_PRICE,
        "last_served": Field(
            _RATE, _OWN, "ratio", "quantity", attrgetter("last_served"), 0, "what was served in the last period"
        ),
        "last_unserved": Field(
            _RATE, _OWN, "ratio", "quantity", attrgetter("last_unserved"), 0, "what was not"
        ),
        "last_payment": Field(
            _MONEY, _OWN, "ratio", "money", attrgetter("last_payment"), -1, "what was paid in the last period"
        ),
        **_COMMON,
    },
}  # fmt: skip
"""The quantities that an agent of each kind may observe."""

LEFT_OUT = ("published_offers", "elapsed")
"""Quantities that are observed only where they are asked for."""


def usual(kind: Kind) -> tuple[str, ...]:
    """Return the quantities that an agent of a kind observes unless others are asked for."""
    return tuple(name for name in FIELDS[kind] if name not in LEFT_OUT)


@dataclass(frozen=True, eq=False)
class Quantity:
    """A quantity of an observation, with the scale that it is divided by.

    Parameters
    ----------
    name : str
        One of `FIELDS` of the agent's kind.
    scale : ndarray
        What it is divided by, in its own unit; shaped like its last dims.
    """

    name: str
    scale: Floats


@dataclass(frozen=True, eq=False)
class ObservationEncoding:
    """What an agent observes, as a vector.

    Parameters
    ----------
    kind : {'provider', 'owner', 'region'}
        The agent's kind.
    labels : mapping
        Labels of each dim: ``row``, ``workload``, ``node``, ``market_asset``.
    quantities : tuple of Quantity
        What is observed, in order.
    lags : int
        How many published periods are observed.

    Notes
    -----
    A quantity that is not known yet is zero: all that is of a last period, before the first clearing.
    """

    kind: Kind
    labels: Mapping[str, tuple[str, ...]]
    quantities: tuple[Quantity, ...]
    lags: int = 1

    def __getstate__(self) -> dict[str, Any]:
        """Pickle the fields alone: what is cached holds functions, and is made again where it is needed."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @cached_property
    def coordinates(self) -> dict[str, tuple[str, ...]]:
        """Labels of all dims, those of past periods and of sine and cosine among them."""
        lags = tuple(str(number) for number in range(1, self.lags + 1))
        return {**self.labels, "lag": lags, "part": ("sin", "cos")}

    @cached_property
    def _plan(self) -> list[tuple[Callable[[Any], Floats | None], slice, str, tuple[int, ...]]]:
        plan, start = [], 0
        for quantity in self.quantities:
            field = FIELDS[self.kind][quantity.name]
            shape = tuple(len(self.coordinates[dim]) for dim in field.dims)
            end = start + math.prod(shape)
            plan.append((field.read, slice(start, end), field.dims[0] if field.dims else "", shape))
            start = end
        return plan

    @cached_property
    def size(self) -> int:
        """Length of the vector."""
        return self._plan[-1][1].stop if self._plan else 0

    @cached_property
    def _numbers(self) -> tuple[Floats, Floats, Floats]:
        """What each entry is divided by, whether its own size is added to that, and its least number."""
        scale, own, low = np.ones(self.size), np.zeros(self.size), np.zeros(self.size)
        for quantity, (_, where, _, shape) in zip(self.quantities, self._plan, strict=True):
            field = FIELDS[self.kind][quantity.name]
            scale[where] = np.broadcast_to(quantity.scale, shape).ravel()
            own[where] = field.form == "ratio"
            low[where] = field.low
        return scale, own, low

    @property
    def low(self) -> Vector:
        """Least values, dims (entry,); the greatest are 1."""
        return self._numbers[2].astype(np.float32)

    @property
    def names(self) -> list[str]:
        """What each entry is, e.g. ``cost[atlas/ashburn/h100, chat]``."""
        found = []
        for quantity in self.quantities:
            dims = FIELDS[self.kind][quantity.name].dims
            keys = [self.coordinates[dim] for dim in dims]
            for spot in np.ndindex(*(len(one) for one in keys)):
                place = ", ".join(key[number] for key, number in zip(keys, spot, strict=True))
                found.append(f"{quantity.name}[{place}]" if place else quantity.name)
        return found

    def __call__(self, view: Any, *markets: int) -> Vector:
        """Return the observation of a view, dims (entry,), or (market, entry) of a view of several markets.

        Parameters
        ----------
        view : View, NetworkView or DemandView
            What the agent sees.
        *markets : int
            How many markets the view is of, where its arrays have a leading dim of markets, as a batch's have.

        Raises
        ------
        StrategyError
            If a quantity is not finite; it is named, with its place and its value.
        """
        raw, lead = np.zeros((*markets, self.size)), len(markets)
        for read, where, first, shape in self._plan:
            value = read(view)
            if value is None:
                continue
            if first == "lag":
                known = value.shape[lead]
                if known < self.lags:
                    gap = np.zeros((*markets, self.lags - known, *shape[1:]))
                    value = np.concatenate((gap, value), axis=lead)
                value = value[(slice(None),) * lead + (slice(None, -1 - self.lags, -1),)]
            # What is the same in all markets, the time, has no leading dim.
            raw[..., where] = value.reshape(*markets, -1) if first in self.labels or first == "lag" else value
        return self.encode(raw, view)

    def encode(self, raw: Floats, view: Any) -> Vector:
        """Return raw numbers in their own units, dims (..., entry), as an observation of the same shape.

        Raises
        ------
        StrategyError
            If one is not finite.
        """
        if not math.isfinite(np.add.reduce(raw, axis=None)) and not np.isfinite(raw).all():
            self._refuse(raw, view)
        scale, own, low = self._numbers
        found = np.abs(raw)
        found *= own
        found += scale
        np.divide(raw, found, out=found)
        np.maximum(found, low, out=found)
        np.minimum(found, 1.0, out=found)
        return found.astype(np.float32)

    def _refuse(self, raw: Floats, view: Any) -> None:
        spot = tuple(np.argwhere(~np.isfinite(raw))[0])
        market = f", market {spot[0]}" if len(spot) > 1 else ""
        raise StrategyError(
            f"{self.kind} {view.name!r}, period {view.period}{market}: cannot be observed:"
            f" {self.names[spot[-1]]} is {raw[spot]}; observations must be finite"
        )

    def to_config(self) -> dict[str, Any]:
        """Return it as plain data; `from_config` makes it again."""
        described = []
        for quantity in self.quantities:
            field = FIELDS[self.kind][quantity.name]
            described.append(
                {
                    "name": quantity.name, "unit": field.unit, "dims": list(field.dims), "form": field.form,
                    "bounds": [field.low, 1.0], "scale": quantity.scale.tolist(),
                }
            )  # fmt: skip
        return {"lags": self.lags, "quantities": described}

    @classmethod
    def from_config(
        cls, kind: Kind, labels: Mapping[str, Sequence[str]], config: Mapping[str, Any]
    ) -> ObservationEncoding:
        """Make the encoding that `to_config` described.

        Raises
        ------
        ValueError
            If a quantity is unknown, or is encoded in another way by this version.
        """
        quantities = []
        for told in config["quantities"]:
            field = FIELDS[kind].get(told["name"])
            if field is None:
                raise ValueError(f"unknown quantity {told['name']!r} of a {kind}'s observation")
            for key, ours in (("unit", field.unit), ("dims", list(field.dims)), ("form", field.form)):
                if told[key] != ours:
                    raise ValueError(
                        f"quantity {told['name']!r} has {key} {told[key]!r}; this version has {ours!r}"
                    )
            scale = np.array(told["scale"], dtype=np.float64)
            shape = tuple(len(labels[dim]) for dim in field.dims if dim not in ("lag", "part"))
            if (
                not (np.isfinite(scale).all() and (scale > 0).all())
                or scale.shape != shape[len(shape) - scale.ndim :]
            ):
                raise ValueError(
                    f"scale of quantity {told['name']!r} must be positive numbers for {field.dims}"
                )
            quantities.append(Quantity(told["name"], scale))
        if not quantities:
            raise ValueError("an observation has no quantities")
        lags = config["lags"]
        if isinstance(lags, bool) or not isinstance(lags, int) or not 1 <= lags <= MOST_LAGS:
            raise ValueError(f"lags must be a whole number from 1 to {MOST_LAGS}; found {lags!r}")
        own = {dim: tuple(map(str, names)) for dim, names in labels.items()}
        return cls(kind, own, tuple(quantities), lags)
