"""The matrix that HiGHS holds is that of the labelled linopy program.

linopy builds and labels the program of each structure once in a process; its coefficients, in the engine's units, are
those that are solved. Whatever is cleared afterwards moves only costs, bounds and right-hand sides, so that
rebuilding the labelled program for each market, which costs hundreds of times what solving it does, is not needed.
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
_matrices: OrderedDict[bytes, sparse.csc_array] = OrderedDict()


def labelled_matrix(market: Market, program: Program) -> sparse.csc_array:
    """Return the coefficients of the labelled program, rows by columns, in the units of `program`.

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
    for part in (np.array(own.shape), own.indptr, own.indices, own.data):
        key.update(np.ascontiguousarray(part).tobytes())
    found = _matrices.get(key.digest())
    if found is None:
        found = _built(market, program)
        if found.shape != own.shape or abs(found - own).nnz:
            raise CertificateError(
                "the program as linopy labels it differs from the one that would be solved; please report this market"
            )
        _matrices[key.digest()] = found
        if len(_matrices) > REMEMBERED:
            _matrices.popitem(last=False)
    else:
        _matrices.move_to_end(key.digest())
    return found


def _built(market: Market, program: Program) -> sparse.csc_array:
    """Build the labelled program, and bring its rows and bought supply into the engine's units."""
    if market.is_quadratic:  # the charge of a link stands in the objective, which is not used here
        flat = market.arrays.with_(link_curvature=np.zeros_like(market.arrays.link_curvature))
        market = Market.from_arrays(market.layout, flat, market.hours, check=False)
    matrix = linopy_model(market, shortfall_cost=1.0).matrices.A
    assert matrix is not None  # linopy returns none only for a model without constraints
    rows, columns = np.ones(program.rows), np.ones(program.columns)
    for placed in program.limits:
        rows[placed.rows] = 1.0 / placed.unit
        columns[placed.supply] = placed.unit
    scaled = sparse.csc_array(sparse.diags_array(rows) @ matrix @ sparse.diags_array(columns))
    scaled.eliminate_zeros()
    scaled.sort_indices()
    return scaled
