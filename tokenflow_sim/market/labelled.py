"""A check that what HiGHS solves is the labelled linopy program.

linopy builds and labels the program of each pattern (which row meets which column) once in a process, and its
coefficients must be those that are solved. Whatever is cleared afterwards moves only numbers, so that rebuilding the
labelled program for each market, which costs hundreds of times what solving it does, is not needed. Coefficients are
such numbers too: the certificate counts all of them again, by the limits themselves.
"""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b

import numpy as np
from scipy import sparse

from tokenflow_sim.errors import CertificateError
from tokenflow_sim.market.formulation import linopy_model
from tokenflow_sim.market.market import Market
from tokenflow_sim.market.program import Program

# How many structures of a process are remembered: sweeps and games return to the same few.
REMEMBERED = 256
# By how much coefficients that are sums of three and more terms may differ, as a share of the largest term.
ROUNDING = 1e-13
_compared: OrderedDict[bytes, None] = OrderedDict()


def check_labelled(market: Market, program: Program) -> None:
    """Refuse a program whose coefficients are not those of the labelled program.

    Parameters
    ----------
    market : Market
        A market of the structure.
    program : Program
        The same program as plain vectors.

    Raises
    ------
    CertificateError
        If the coefficients of the two differ, so that what is solved would not be what is labelled.
    """
    own = program.matrix
    key = blake2b(digest_size=16)
    for part in (np.array(own.shape), own.indptr, own.indices):
        key.update(np.ascontiguousarray(part).tobytes())
    key.update(repr([(one.limit.name, one.rows, one.limit.equality) for one in program.limits]).encode())
    digest = key.digest()
    if digest in _compared:
        _compared.move_to_end(digest)
        return
    if not _agree(_built(market, program), program):
        raise CertificateError(
            "the program as linopy labels it differs from the one that would be solved; please report this market"
        )
    _compared[digest] = None
    if len(_compared) > REMEMBERED:
        _compared.popitem(last=False)


def _agree(labelled: sparse.csc_array, program: Program) -> bool:
    """Whether the labelled program has the coefficients of `program`.

    They are equal to the bit, but where a limit has three terms and more: those of one column are added in another
    order by the two.
    """
    if labelled.shape != program.matrix.shape:
        return False
    apart = sparse.coo_array(abs(labelled - program.matrix))
    allowed = np.zeros(program.rows)
    for placed in program.limits:
        if len(placed.limit.terms) > 2:
            largest = max(float(np.abs(term.use).max(initial=0.0)) for term in placed.limit.terms)
            allowed[placed.rows] = ROUNDING * largest / abs(placed.unit)
    return bool((apart.data <= allowed[apart.coords[0]]).all())


def _built(market: Market, program: Program) -> sparse.csc_array:
    """Build the labelled program, and bring its rows and bought supply into the engine's units."""
    if market.is_quadratic:  # curvature and slopes stand in the objective, which is not used here
        flat = market.arrays.with_(
            link_curvature=np.zeros_like(market.arrays.link_curvature), offer_slope=None, value_slope=None
        )
        market = Market.from_arrays(market.layout, flat, market.hours, check=False)
    matrix = linopy_model(market, shortfall_cost=1.0).matrices.A
    assert matrix is not None  # linopy returns none only for a model without constraints
    rows, columns = np.ones(program.rows), np.ones(program.columns)
    for placed in program.limits:
        rows[placed.rows] = 1.0 / placed.unit
        columns[placed.supply] = placed.unit
        if placed.limit.equality:
            columns[program.v][placed.rows] = -placed.unit  # what is short, in the row's unit
    for own in program.activities:
        columns[own.columns] = own.unit
    return sparse.csc_array(sparse.diags_array(rows) @ matrix @ sparse.diags_array(columns))
