"""Who owns the assets and the arcs of a market."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tokenflow_sim.market import Layout
from tokenflow_sim.numeric import Ints


@dataclass(frozen=True, slots=True)
class Ownership:
    """Who owns what.

    Parameters
    ----------
    provider_of : ndarray of int
        Position of each asset's provider, dims (asset,).
    owner_of : ndarray of int
        Position of each arc's owner, dims (arc,).
    providers, owners : int
        How many there are.
    """

    provider_of: Ints
    owner_of: Ints
    providers: int
    owners: int


def ownership_of(layout: Layout, providers: tuple[str, ...], owners: tuple[str, ...]) -> Ownership:
    """Return who owns what, by position in the given names."""
    provider = {name: position for position, name in enumerate(providers)}
    owner = {name: position for position, name in enumerate(owners)}
    return Ownership(
        np.array([provider[name] for name in layout.provider], dtype=np.int64),
        np.array([owner[name] for name in layout.owner], dtype=np.int64),
        len(providers),
        len(owners),
    )
