"""A user's limit in one market: what its methods return, checked and brought into the order of the labels."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from tokenflow_sim.errors import Fault, MarketError, unknown_name
from tokenflow_sim.market.limits import NOBODY, SharedCapacity, Supply, Term
from tokenflow_sim.market.own_limit import Limit, LimitView
from tokenflow_sim.numeric import Floats
from tokenflow_sim.variables import (
    BACKLOG,
    CLEARING,
    COORDINATES,
    LIMITS,
    MARKET,
    REFERENCE,
    RESULT_COORDINATES,
    RESULTS,
)

_USERS = {"asset": "dispatch", "arc": "flow"}
_NAME = re.compile(r"[a-z][a-z0-9_]*")
# What results and their coordinates are called, which a dual must not hide. A site's grid limit has its own.
_TABLES = (MARKET, CLEARING, RESULTS, BACKLOG, REFERENCE, LIMITS, COORDINATES, RESULT_COORDINATES)
_TAKEN = frozenset(name for table in _TABLES for name in table) | {
    "node", "asset", "arc", "workload", "period", "provider", "owner", "block", "step", "limit", "payee", "tranche",
}  # fmt: skip


@contextmanager
def _said(limit: Limit, method: str, view: LimitView) -> Iterator[None]:
    """Say of which limit, method and period an error is."""
    try:
        yield
    except MarketError:
        raise
    except Exception as error:  # a user's code may raise anything
        what = f"{method} raised {type(error).__name__}: {error} (period {view.period})"
        raise MarketError([Fault(what, method)], f"limit {type(limit).__name__!r}") from error


class BoundLimit:
    """A user's limit in one market structure: what uses it, read once.

    Parameters
    ----------
    limit : Limit
        The limit.
    view : LimitView
        The market's labels.

    Raises
    ------
    MarketError
        With all faults of what `use` returned.
    """

    def __init__(self, limit: Limit, view: LimitView) -> None:
        self.limit, self.layout = limit, view.layout
        self.name = limit.name
        self.rent = limit.rent or f"{self.name}_rent"
        faults = (
            []
            if _NAME.fullmatch(self.rent)
            else [Fault(f"must be a name in snake case; found {self.rent!r}", "rent")]
        )
        if self.rent in _TAKEN or self.rent.startswith("price_"):
            faults.append(
                Fault(f"{self.rent!r} is a name that results have already; give the dual another one", "rent")
            )
        dim = limit.dim
        if dim and (not _NAME.fullmatch(dim) or (dim in _TAKEN and dim not in ("node", "asset", "arc"))):
            faults.append(
                Fault(f"must be empty, node, asset, arc, or a new name in snake case; found {dim!r}", "dim")
            )
        self._raise(faults)
        with _said(limit, "use", view):
            given = limit.use(view)
        arrays = (
            [given]
            if isinstance(given, xr.DataArray)
            else list(given)
            if isinstance(given, Sequence)
            else [given]
        )
        self.labels = self._labels(arrays, faults)
        terms: list[Term] = []
        for number, array in enumerate(arrays if not faults else []):
            place = "use" if len(arrays) == 1 else f"use[{number}]"
            terms += self._terms(array, place, faults)
        if not faults and not terms:
            faults.append(Fault("uses nothing: all numbers are zero", "use"))
        self._raise(faults)
        self.terms = tuple(terms)

    def _raise(self, faults: Sequence[Fault]) -> None:
        if faults:
            raise MarketError(faults, f"limit {type(self.limit).__name__!r}")

    def _labels(self, arrays: Sequence[Any], faults: list[Fault]) -> pd.Index[Any]:
        dim = self.limit.dim
        for number, array in enumerate(arrays):
            place = "use" if len(arrays) == 1 else f"use[{number}]"
            if not isinstance(array, xr.DataArray):
                faults.append(Fault(f"must be a DataArray; found {type(array).__name__}", place))
            elif (
                len(
                    users := [
                        one for one in _USERS if one in array.dims and (one != dim or len(array.dims) <= 2)
                    ]
                )
                != 1
            ):
                faults.append(Fault(f"needs one of the dims asset and arc; found {array.dims}", place))
            elif strange := [one for one in map(str, array.dims) if one not in (*users, "workload", dim)]:
                faults.append(
                    Fault(
                        unknown_name("dimension", strange[0], [*users, "workload", *filter(None, [dim])]),
                        place,
                    )
                )
        if dim in ("node", "asset", "arc"):
            return self.layout.index(dim)
        if not dim:
            return pd.RangeIndex(1)
        bearers = [
            array.indexes[dim] for array in arrays if isinstance(array, xr.DataArray) and dim in array.indexes
        ]
        if not bearers:
            faults.append(Fault(f"needs labels along {dim!r}, which it says is its dim", "use"))
            return pd.RangeIndex(0)
        labels: pd.Index[Any] = bearers[0]
        return labels

    def _terms(self, array: xr.DataArray, place: str, faults: list[Fault]) -> list[Term]:
        layout, dim = self.layout, self.limit.dim
        by = "asset" if "asset" in array.dims else "arc"
        users, on = layout.index(by), _USERS[by]
        order: dict[str, pd.Index[Any]] = {by: users, "workload": layout.workloads}
        if dim in array.dims and dim != by:
            order = {dim: self.labels, **order}
        for one, labels in order.items():
            if one in array.indexes and len(strange := array.indexes[one].difference(labels)):
                faults.append(Fault(unknown_name(one, strange[0], list(labels)), f"{place}.{one}"))
        if faults:
            return []
        # What is not named uses nothing; a class dimension that is left out means all classes alike.
        array = array.reindex(
            {one: labels for one, labels in order.items() if one in array.indexes}, fill_value=0.0
        )
        if "workload" not in array.dims:
            array = array.expand_dims(workload=layout.workloads)
        values = array.transpose(*order).to_numpy().astype(np.float64)
        if not np.isfinite(values).all():
            faults.append(Fault("must be finite everywhere", place))
            return []
        if (dim in ("asset", "arc") and dim != by) or (
            dim == "node" and dim not in array.dims and by == "arc"
        ):
            faults.append(Fault(f"has no dim {dim!r}, by which the limit is; found {array.dims}", place))
            return []
        if values.ndim == 2:
            member = {"node": layout.asset_node, by: None}.get(dim, np.zeros(len(users), dtype=np.int64))
            return [Term(on, values, member)] if values.any() else []  # type: ignore[arg-type]
        return _spread_out(on, values)

    def at(self, view: LimitView) -> SharedCapacity:
        """Return the limit with a period's numbers.

        Raises
        ------
        MarketError
            With all faults of what `capacity` and `supply` returned.
        """
        faults: list[Fault] = []
        with _said(self.limit, "capacity", view):
            most = self.limit.capacity(view)
        with _said(self.limit, "supply", view):
            given = self.limit.supply(view)
        capacity = self._by_label(most, "capacity", faults)
        supply = None
        if given is not None:
            price = self._by_label(given[0], "supply price", faults, tranches=True, endless=False)
            quantity = self._by_label(given[1], "supply quantity", faults, tranches=True)
            if not faults and price.shape != quantity.shape:
                faults.append(Fault(f"price has shape {price.shape}, quantity {quantity.shape}", "supply"))
            supply = Supply(price, quantity)
        self._raise([Fault(f"{fault.message} (period {view.period})", fault.place) for fault in faults])
        limit = self.limit
        return SharedCapacity(
            name=self.name,
            rent=self.rent,
            dim=limit.dim,
            capacity=capacity,
            terms=self.terms,
            supply=supply,
            labels=tuple(self.labels) if limit.dim not in ("", "node", "asset", "arc") else (),
            payee=self.name if supply is not None and limit.payee is None else limit.payee,
            rent_unit=limit.rent_unit,
            meaning=limit.meaning or f"rent of {self.name}",
        )

    def _by_label(
        self, given: Any, place: str, faults: list[Fault], *, tranches: bool = False, endless: bool = True
    ) -> Floats:
        """Bring a period's numbers into the order of the labels, dims (label[, tranche])."""
        dim, size = self.limit.dim, len(self.labels)
        if isinstance(given, xr.DataArray):
            wanted = [*([dim] if dim else []), *(["tranche"] if tranches else [])]
            if strange := [one for one in map(str, given.dims) if one not in wanted]:
                faults.append(Fault(unknown_name("dimension", strange[0], wanted), place))
                return np.zeros((size, 1) if tranches else size)
            if dim in given.indexes:
                lacking = self.labels.difference(given.indexes[dim])
                if len(lacking):
                    faults.append(Fault(f"lacks {dim} {lacking[0]!r}", place))
                    return np.zeros((size, 1) if tranches else size)
                given = given.sel({dim: self.labels})
            given = given.transpose(*[one for one in wanted if one in given.dims]).to_numpy()
        try:
            plain = np.asarray(given, dtype=np.float64)
            values = np.array(
                np.broadcast_to(plain, (size, plain.shape[-1] if plain.ndim else 1) if tranches else (size,))
            )
        except (TypeError, ValueError):
            faults.append(
                Fault(f"must be a number or one for each of {size} labels; found {given!r:.80}", place)
            )
            return np.zeros((size, 1) if tranches else size)
        if np.isnan(values).any() or (values < 0).any() or (not endless and np.isinf(values).any()):
            faults.append(Fault(f"must be numbers from zero on; found {values.min():g}", place))
        values.flags.writeable = False
        return values


def _spread_out(on: Any, values: Floats) -> list[Term]:
    """Turn uses by label, dims (label, asset or arc, workload), into as few terms as there are labels a user uses."""
    used = (values != 0).any(axis=2)
    rank = np.cumsum(used, axis=0) - 1
    terms = []
    for slot in range(int(used.sum(axis=0).max(initial=0))):
        label, user = np.nonzero(used & (rank == slot))
        member = np.full(values.shape[1], NOBODY, dtype=np.int64)
        member[user] = label
        use = np.zeros(values.shape[1:])
        use[user] = values[label, user]
        terms.append(Term(on, use, member))
    return terms


def bind_limits(limits: Sequence[Limit], view: LimitView) -> tuple[BoundLimit, ...]:
    """Bind several limits to one market structure.

    Raises
    ------
    MarketError
        If one is no `Limit`, two have one name, or as `BoundLimit`.
    """
    faults = [
        Fault(f"must be a tf.Limit (an instance of its class); found {limit!r:.80}", f"limits[{number}]")
        for number, limit in enumerate(limits)
        if not isinstance(limit, Limit)
    ]
    if faults:
        raise MarketError(faults, "list of limits")
    bound = tuple(BoundLimit(limit, view) for limit in limits)
    names = [one.rent for one in bound]
    for rent in dict.fromkeys(name for name in names if names.count(name) > 1):
        faults.append(Fault(f"two limits have a dual of this name, {rent!r}", "limits"))
    if faults:
        raise MarketError(faults, "list of limits")
    return bound
