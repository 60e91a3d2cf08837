"""A user's limit in one market: what its methods return, checked and brought into the order of the labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from tokenflow_sim.errors import Fault, MarketError, unknown_name
from tokenflow_sim.market.limit_names import MARKET_DIMS, clashes, name_faults, rent_of
from tokenflow_sim.market.limits import NOBODY, SharedCapacity, Supply, Term
from tokenflow_sim.market.own_limit import Limit, LimitView
from tokenflow_sim.numeric import Floats

_USERS = {"asset": "dispatch", "arc": "flow"}


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
        faults = name_faults(limit)
        self._raise(faults)
        self.name = limit.name
        self.rent = rent_of(limit)
        # How many steps of supply the first period had, and which that was.
        self._steps: tuple[int, int] | None = None
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
            elif (by := _user(array, dim)) is None:
                faults.append(Fault(f"needs one of the dims asset and arc; found {array.dims}", place))
            elif strange := [one for one in map(str, array.dims) if one not in (by, "workload", dim)]:
                faults.append(
                    Fault(
                        unknown_name("dimension", strange[0], [by, "workload", *filter(None, [dim])]),
                        place,
                    )
                )
        if dim in MARKET_DIMS:
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
        by = _user(array, dim)
        assert by is not None  # checked by `_labels`
        users, on = layout.index(by), _USERS[by]
        order: dict[str, pd.Index[Any]] = {by: users, "workload": layout.workloads}
        if dim in array.dims and dim != by:
            order = {dim: self.labels, **order}
        if dim and dim not in array.dims and not (dim == "node" and by == "asset"):
            faults.append(Fault(f"has no dim {dim!r}, by which the limit is; found {array.dims}", place))
        for one, labels in order.items():
            if one in array.indexes:
                faults += _label_faults(one, array.indexes[one], labels, f"{place}.{one}")
            elif one in array.dims and array.sizes[one] != len(labels):
                what = (
                    f"{array.sizes[one]} numbers without labels along {one!r}, which has {len(labels)} labels"
                )
                faults.append(Fault(f"has {what}", place))
        if _numbers(array.to_numpy()) is None:
            faults.append(Fault(f"must be real numbers; found the type {array.dtype}", place))
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
        if values.ndim == 2:
            member = {"node": layout.asset_node, by: None}.get(dim, np.zeros(len(users), dtype=np.int64))
            return [Term(on, values, member)] if values.any() else []
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
        supply = None if given is None else self._supply(given, faults)
        if not faults:
            self._keep_steps(0 if supply is None else supply.price.shape[1], view.period, faults)
        self._raise([Fault(f"{fault.message} (period {view.period})", fault.place) for fault in faults])
        limit = self.limit
        return SharedCapacity(
            name=self.name,
            rent=self.rent,
            dim=limit.dim,
            capacity=capacity,
            terms=self.terms,
            supply=supply,
            labels=tuple(self.labels) if limit.dim not in ("", *MARKET_DIMS) else (),
            payee=self.name if supply is not None and limit.payee is None else limit.payee,
            unit=limit.unit if limit.unit != "1" else "",
            rent_unit=limit.rent_unit,
            meaning=limit.meaning or f"rent of {self.name}",
        )

    def _supply(self, given: Any, faults: list[Fault]) -> Supply | None:
        """Read price and quantity of what more can be had."""
        if not (isinstance(given, (tuple, list)) and len(given) == 2):
            size = f" of {len(given)}" if isinstance(given, (tuple, list)) else ""
            found = f"{type(given).__name__}{size}"
            faults.append(Fault(f"must be a pair of price and quantity, or None; found a {found}", "supply"))
            return None
        before = len(faults)
        steps = [
            one.indexes["tranche"]
            for one in given
            if isinstance(one, xr.DataArray) and "tranche" in one.indexes
        ]
        price = self._by_label(given[0], "supply price", faults, tranches=True, endless=False)
        quantity = self._by_label(given[1], "supply quantity", faults, tranches=True)
        if len(faults) == before and price.shape != quantity.shape:
            faults.append(Fault(f"price has shape {price.shape}, quantity {quantity.shape}", "supply"))
        elif len(steps) == 2 and not steps[0].equals(steps[1]):
            faults.append(Fault("price and quantity have other labels along 'tranche'", "supply"))
        return Supply(price, quantity) if price.shape[1] else None

    def _keep_steps(self, steps: int, period: int, faults: list[Fault]) -> None:
        """Check that there are as many steps as before: who is paid, and the program, are the same in all periods."""
        before, first = self._steps = self._steps or (steps, period)
        if steps != before:
            what = f"has {steps} steps, but {before} in period {first}"
            faults.append(
                Fault(
                    f"{what}; return as many in every period, with a quantity of zero where one is lacking",
                    "supply",
                )
            )

    def _by_label(
        self, given: Any, place: str, faults: list[Fault], *, tranches: bool = False, endless: bool = True
    ) -> Floats:
        """Bring a period's numbers into the order of the labels, dims (label[, tranche])."""
        dim, size = self.limit.dim, len(self.labels)
        nothing = np.zeros((size, 1) if tranches else size)
        if isinstance(given, xr.DataArray):
            wanted = [*([dim] if dim else []), *(["tranche"] if tranches else [])]
            if strange := [one for one in map(str, given.dims) if one not in wanted]:
                faults.append(Fault(unknown_name("dimension", strange[0], wanted), place))
                return nothing
            if dim in given.indexes and not given.indexes[dim].equals(self.labels):
                if strange_labels := _label_faults(dim, given.indexes[dim], self.labels, place):
                    faults += strange_labels
                    return nothing
                lacking = self.labels.difference(given.indexes[dim], sort=False)
                if len(lacking):
                    faults.append(Fault(f"lacks {dim} {lacking[0]!r}", place))
                    return nothing
                given = given.sel({dim: self.labels})
            if tranches and "tranche" not in given.dims:
                given = given.expand_dims("tranche")  # one step
            given = given.transpose(*[one for one in wanted if one in given.dims]).to_numpy()
        try:
            plain = _numbers(given)
            if plain is None:
                raise TypeError
            values = np.array(
                np.broadcast_to(plain, (size, plain.shape[-1] if plain.ndim else 1) if tranches else (size,))
            )
        except (TypeError, ValueError):
            each = " with its steps" if tranches else ""
            faults.append(
                Fault(f"must be a number or one for each of {size} labels{each}; found {given!r:.80}", place)
            )
            return nothing
        if np.isnan(values).any() or (values < 0).any() or (not endless and np.isinf(values).any()):
            faults.append(Fault(f"must be numbers from zero on; found {values.min():g}", place))
        values.flags.writeable = False
        return values


def _user(array: xr.DataArray, dim: str) -> str | None:
    """Return what uses the limit, ``asset`` or ``arc``: of both, the one that the limit is not by."""
    users = [one for one in _USERS if one in array.dims]
    if len(users) == 2 and dim in users:
        users.remove(dim)
    return users[0] if len(users) == 1 else None


def _label_faults(dim: str, found: pd.Index[Any], labels: pd.Index[Any], place: str) -> list[Fault]:
    """Return which labels are unknown or stand there twice."""
    faults = []
    if len(strange := found.difference(labels, sort=False)):
        faults.append(Fault(unknown_name(dim, strange[0], list(labels)), place))
    if not found.is_unique:
        faults.append(Fault(f"{dim} {found[found.duplicated()][0]!r} stands there twice", place))
    return faults


def _numbers(given: Any) -> Floats | None:
    """Return real numbers as an array, None for what is none: texts, complex numbers and dates are refused."""
    plain = np.asarray(given)
    if plain.dtype == object:
        if not all(isinstance(one, Real) for one in plain.flat):
            return None
    elif plain.dtype.kind not in "biuf":
        return None
    return plain.astype(np.float64)


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
        If one is no `Limit`, two of them clash in names or labels, or as `BoundLimit`.
    """
    faults = [
        Fault(f"must be a tf.Limit (an instance of its class); found {limit!r:.80}", f"limits[{number}]")
        for number, limit in enumerate(limits)
        if not isinstance(limit, Limit)
    ]
    if faults:
        raise MarketError(faults, "list of limits")
    bound = tuple(BoundLimit(limit, view) for limit in limits)
    faults = clashes([(one.limit, one.labels) for one in bound])
    if faults:
        raise MarketError(faults, "list of limits")
    return bound
