"""Caps on emissions: one row for each zone, with what a unit of service emits as its use.

A zone is a set of assets whose emissions together may not exceed a rate. Its dual, `carbon_rent`, is the price of a
permit in $/t. Permits belong to a payee, who is paid the rent for every tonne; an offset price bounds the rent.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tokenflow_sim.market.grid_rows import GENERATION
from tokenflow_sim.market.limits import NOBODY, SharedCapacity, Supply, Term
from tokenflow_sim.numeric import SECONDS_PER_HOUR, Bools, Floats
from tokenflow_sim.variables import LIMITS

CARBON = "carbon_limit"
"""Name of the constraint."""
ZONE = "carbon_zone"
"""What its labels are."""
RENT = "carbon_rent"
"""Name of its dual."""
WINDOW, WINDOW_RENT = "carbon_window", "carbon_window_rent"
"""Names of a cap over several periods that are cleared together, and of its dual."""
STATE = "state"
"""Who is paid for permits unless a scenario names somebody else."""


def carbon_limit(
    emission_rate: Floats,
    zones: Sequence[str],
    member: Bools,
    capacity: Floats,
    *,
    offset_price: Floats | None = None,
    payee: str = STATE,
    across: bool = False,
) -> SharedCapacity:
    """Return the limit on what the assets of each zone emit, ``sum_{s in z, k} e_sk x_sk <= C_z``.

    Parameters
    ----------
    emission_rate : ndarray
        In t/Mtok, dims (asset, workload).
    zones : sequence of str
        Names of the zones.
    member : ndarray of bool
        Which assets count in which zone, dims (zone, asset); an asset may count in several.
    capacity : ndarray
        What each zone may emit in t/s, dims (zone,); may be infinite.
    offset_price : ndarray, optional
        Price in $/t of emissions beyond that, dims (zone,); infinite where there are none to be had.
    payee : str
        Who is paid for permits.
    across : bool
        Whether it holds over several periods together, and is told from caps of a period by its name.
    """
    return limit_of(
        terms_of(emission_rate, member),
        zones,
        capacity,
        offset_price=offset_price,
        payee=payee,
        across=across,
    )


def limit_of(
    terms: tuple[Term, ...],
    zones: Sequence[str],
    capacity: Floats,
    *,
    offset_price: Floats | None = None,
    payee: str = STATE,
    across: bool = False,
) -> SharedCapacity:
    """Return the limit on what the terms say is emitted; parameters as of `carbon_limit`."""
    row, supply = LIMITS[RENT], None
    if offset_price is not None:
        has = np.isfinite(offset_price)
        supply = Supply(np.where(has, offset_price, 0.0)[:, None], np.where(has, np.inf, 0.0)[:, None])
    return SharedCapacity(
        name=WINDOW if across else CARBON,
        rent=WINDOW_RENT if across else RENT,
        dim=f"{WINDOW}_zone" if across else ZONE,
        capacity=capacity,
        terms=terms,
        supply=supply,
        labels=tuple(zones),
        payee=payee,
        rent_unit=row.unit,
        meaning=row.long_name,
    )


def generation_terms(co2: Floats, zones: int) -> tuple[Term, ...]:
    """Return what all generators of a grid emit, counted in each zone.

    Parameters
    ----------
    co2 : ndarray
        In t/MWh, dims (generator,).
    zones : int
        How many zones there are.
    """
    use = co2 / SECONDS_PER_HOUR  # a cap is a rate in t/s
    return tuple(Term(GENERATION, use, np.full(co2.size, zone, dtype=np.int64)) for zone in range(zones))


def terms_of(emission_rate: Floats, member: Bools) -> tuple[Term, ...]:
    """Return as few terms as there are zones that any asset counts in.

    Parameters
    ----------
    emission_rate : ndarray
        Dims (asset, workload).
    member : ndarray of bool
        Dims (zone, asset).
    """
    # A term gives each asset one label; an asset in several zones needs as many terms.
    rank, terms = np.cumsum(member, axis=0) - 1, []
    for slot in range(max(1, int(member.sum(axis=0).max(initial=0)))):
        zone, asset = np.nonzero(member & (rank == slot))
        place = np.full(member.shape[1], NOBODY, dtype=np.int64)
        place[asset] = zone
        terms.append(Term("dispatch", np.where((place != NOBODY)[:, None], emission_rate, 0.0), place))
    return tuple(terms)
