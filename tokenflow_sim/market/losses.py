"""The losses that a schedule has to survive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tokenflow_sim.errors import Fault
from tokenflow_sim.market.layout import Layout
from tokenflow_sim.numeric import Bools

SECURITY = "security_limit"
CUTS = "security_cut"
"""Names of the row that is published for every loss, and of the rows that clear."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Security:
    """Losses of assets and links, each of which a schedule has to survive.

    Parameters
    ----------
    labels : tuple of str
        Names of the losses.
    assets, arcs : ndarray of bool
        What each takes away, dims (contingency, asset) and (contingency, arc).
    response : float
        Share of its offered capacity by which an asset that is left can raise what it serves once something is lost;
        1 lets it serve up to its capacity. Lowering it, and changing flows, has no limit.
    """

    labels: tuple[str, ...]
    assets: Bools
    arcs: Bools
    response: float = 1.0

    def __post_init__(self) -> None:
        """Take read-only copies."""
        for name in ("assets", "arcs"):
            array = np.array(getattr(self, name), dtype=np.bool_)
            array.setflags(write=False)
            object.__setattr__(self, name, array)

    def __getstate__(self) -> dict[str, Any]:
        """Pickle what it was made of."""
        return {name: getattr(self, name) for name in ("labels", "assets", "arcs", "response")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore it as it was made: unpickled arrays are writable."""
        self.__dict__.update(state)
        self.__post_init__()

    def same_as(self, other: Security | None) -> bool:
        """Whether another one has the same losses."""
        return self is other or (
            other is not None
            and (self.labels, self.response) == (other.labels, other.response)
            and np.array_equal(self.assets, other.assets)
            and np.array_equal(self.arcs, other.arcs)
        )

    def only(self, number: int) -> Security:
        """Return one of the losses alone."""
        one = slice(number, number + 1)
        return Security(
            labels=self.labels[one], assets=self.assets[one], arcs=self.arcs[one], response=self.response
        )


def security_faults(layout: Layout, security: Security) -> list[Fault]:
    """Find losses that do not fit a market's labels.

    Parameters
    ----------
    layout : Layout
        The labels.
    security : Security
        The losses.
    """
    faults: list[Fault] = []
    count = len(security.labels)
    for name in ("assets", "arcs"):
        shape = (count, len(getattr(layout, name)))
        found = getattr(security, name).shape
        if found != shape:
            faults.append(Fault(f"shape {found} where {shape} is needed", f"security.{name}"))
    if not security.response >= 0:
        faults.append(Fault(f"must not be negative; found {security.response!r}", "security.response"))
    return faults
