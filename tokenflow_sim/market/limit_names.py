"""What a user's limit may be called: its name, its dual and its dim, beside what results, studies and others have."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pandas as pd

from tokenflow_sim.errors import Fault
from tokenflow_sim.market.carbon import CARBON, WINDOW
from tokenflow_sim.market.grid_rows import BUS_BALANCE, CYCLE_LAW
from tokenflow_sim.market.limits import BUILT_IN
from tokenflow_sim.market.losses import CUTS, SECURITY
from tokenflow_sim.market.own_limit import Limit
from tokenflow_sim.market.reserve import RESERVE
from tokenflow_sim.variables import (
    AVAILABILITY,
    BACKLOG,
    CLEARING,
    COORDINATES,
    DECOMPOSITION,
    DELIVERY,
    EMISSIONS,
    GRID,
    LIMITS,
    MARKET,
    MARKET_POWER,
    MEASURES,
    MITIGATION,
    OPERATOR,
    REFERENCE,
    RESULT_COORDINATES,
    RESULTS,
    SETTLEMENT,
    SLOPES,
    STUDY_COORDINATES,
    STUDY_VARIABLES,
)

MARKET_DIMS = ("node", "asset", "arc")
"""Dims of the market that a limit may be by."""

CONSTRAINTS = BUILT_IN | {CARBON, WINDOW, RESERVE, SECURITY, CUTS, BUS_BALANCE, CYCLE_LAW}
"""Names of constraints that a market may have without limits of a user, those of every option among them."""

_NAME = re.compile(r"[a-z][a-z0-9_]*")
# What results and studies, and their coordinates, are called, which a dual or a dim must not hide. A site's grid limit
# has its own.
_TABLES = (
    MARKET, CLEARING, DECOMPOSITION, SETTLEMENT, RESULTS, BACKLOG, EMISSIONS, AVAILABILITY, DELIVERY, GRID, REFERENCE,
    LIMITS, MEASURES, OPERATOR, SLOPES, MITIGATION,
    MARKET_POWER, STUDY_VARIABLES, STUDY_COORDINATES, COORDINATES, RESULT_COORDINATES,
)  # fmt: skip
_TAKEN = frozenset(name for table in _TABLES for name in table) | {
    "limit", "payee", "tranche", "run", "baseline", "point", "measure", "parameter", "equilibrium", "mixed", "choice",
}  # fmt: skip


def name_faults(limit: Limit) -> list[Fault]:
    """Return what is wrong with the name, the dual, the dim and the other texts of a limit."""
    texts = ("name", "dim", "rent", "unit", "rent_unit", "meaning")
    faults = [
        Fault(f"must be a text; found {value!r:.80}", key)
        for key in texts
        if not isinstance(value := getattr(limit, key), str)
    ]
    if limit.payee is not None and not (isinstance(limit.payee, str) and limit.payee.strip()):
        faults.append(Fault(f"must be a name, or None for nobody; found {limit.payee!r:.80}", "payee"))
    if faults:
        return faults
    name, rent, dim = limit.name, rent_of(limit), limit.dim
    if name in CONSTRAINTS:
        faults.append(
            Fault(
                f"{name!r} is a constraint that the market has already; rename the class, or set `name`",
                "name",
            )
        )
    if not name or not (limit.rent or _NAME.fullmatch(rent)):
        # The dual is called after the limit: what is wrong is the name, which may be the class's.
        faults.append(
            Fault(
                f"is {name!r}, by which results cannot call the dual: they take a to z, digits and _, with a letter"
                f" first; rename the class {type(limit).__name__!r}, or set `name` or `rent`",
                "name",
            )
        )
    elif not _NAME.fullmatch(rent):
        faults.append(Fault(f"must be a name in snake case; found {rent!r}", "rent"))
    elif rent in _TAKEN or rent.startswith("price_"):
        faults.append(
            Fault(f"{rent!r} is a name that results have already; give the dual another one", "rent")
        )
    elif rent == dim:
        faults.append(
            Fault(f"the dual and the dim have one name, {rent!r}; give the dual another one", "rent")
        )
    if dim and dim not in MARKET_DIMS and (dim in _TAKEN or not _NAME.fullmatch(dim)):
        faults.append(
            Fault(f"must be empty, node, asset, arc, or a new name in snake case; found {dim!r}", "dim")
        )
    return faults


def rent_of(limit: Limit) -> str:
    """Return what results call a limit's dual."""
    return limit.rent or f"{limit.name}_rent"


def clashes(limits: Sequence[tuple[Limit, pd.Index[Any]]]) -> list[Fault]:
    """Return where the names and labels of several limits clash.

    Parameters
    ----------
    limits : sequence of (Limit, Index)
        Each limit with its labels.
    """
    found = [
        f"two limits are called {name!r}; set `name` of one, or name them in the scenario's `limits`"
        for name in _repeated([limit.name for limit, _ in limits])
    ]
    for rent in _repeated([rent_of(limit) for limit, _ in limits]):
        # Duals that are called after limits of one name have no fault of their own.
        if any(limit.rent for limit, _ in limits if rent_of(limit) == rent):
            found.append(f"two limits have a dual of this name, {rent!r}")
    first: dict[str, tuple[Limit, pd.Index[Any]]] = {}
    for limit, labels in limits:
        dim = limit.dim
        if not dim or dim in MARKET_DIMS:
            continue
        found += [
            f"the dual of limit {other.name!r} and the dim of limit {limit.name!r} have one name, {dim!r}"
            for other, _ in limits
            if rent_of(other) == dim
        ]
        other, known = first.setdefault(dim, (limit, labels))
        if list(known) != list(labels):
            # Results have one coordinate of a name: in another order, duals would stand beside wrong labels.
            found.append(
                f"limit {other.name!r} has the labels {_listed(known)} along {dim!r}, and limit {limit.name!r}"
                f" {_listed(labels)}; give both the same in the same order, or one a dim of another name"
            )
    return [Fault(message, "limits") for message in found]


def _repeated(names: Sequence[str]) -> list[str]:
    return [name for name in dict.fromkeys(names) if names.count(name) > 1]


def _listed(labels: pd.Index[Any]) -> str:
    return ", ".join(map(repr, labels[:6])) + (", ..." if len(labels) > 6 else "")
