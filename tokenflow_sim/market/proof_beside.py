"""Proving for many markets at once that their bases are the only optimal ones, and computing their numbers from them.

What `basis.check_basis` decides for one market is decided here for all, by the same arithmetic, to the bit: what is
done number by number is done for all at once, and a BLAS is asked for one market after the other, since it may round
in another way beside others. Where anything is not as in most markets (demand that is short, gaps smaller than
the shift) a market is left to the engine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tokenflow_sim.market.basis import MARGIN, SHIFTED, TOLERANCE, TRUE, Basis
from tokenflow_sim.market.data_beside import ManyData
from tokenflow_sim.market.factorization import BasisFactorization
from tokenflow_sim.market.optimal_face import may_change_volume
from tokenflow_sim.market.program import Program
from tokenflow_sim.numeric import Bools, Floats


@dataclass(eq=False, slots=True)
class ManySolutions:
    """The basic solutions of many markets in the solver's units.

    Parameters
    ----------
    proved : ndarray of bool
        Of which markets the basis is the only optimal one, and optimal for the true numbers, dims (market,). All
        others of it are meaningless.
    values, duals : ndarray
        Values of all columns, dims (market, column), and duals of all rows, dims (market, row).
    """

    proved: Bools
    values: Floats
    duals: Floats


def prove(
    program: Program, data: ManyData, factors: Sequence[BasisFactorization], sizes: Sequence[int]
) -> ManySolutions:
    """Prove bases, each of some of the markets.

    Parameters
    ----------
    program : Program
        The structure.
    data : ManyData
        The numbers of the markets.
    factors : sequence of BasisFactorization
        The bases, in which no demand is short.
    sizes : sequence of int
        How many markets each is tried on: the first ones, then the next, and so on.
    """
    costs, upper, rows = data.costs, data.upper, data.rows
    many, every = len(costs), np.repeat(np.arange(len(factors)), sizes)
    duals = np.empty((many, 2, program.rows))
    is_basic = np.array([factor.is_basic[TRUE] for factor in factors])[every]
    full = np.zeros((len(factors), program.rows), dtype=np.bool_)
    for number, (factor, part) in enumerate(_parts(factors, sizes)):
        duals[part] = factor.dual(costs[part])
        full[number, factor.full] = True
    is_full = full[every]
    reduced = program.reduced_costs(costs, duals)
    unlimited = upper == 0.0
    unlimited |= is_basic[:, None]
    np.putmask(reduced, unlimited, np.inf)
    worth = (reduced[:, SHIFTED] < 0.0) & (upper[:, SHIFTED] < np.inf)
    np.negative(reduced, out=reduced, where=worth[:, None])
    sure = _stand(reduced) & _stand(np.where(is_full[:, None], -duals, np.inf))
    # A link that lets everything through has no row that could be full.
    sure &= ~(is_full & (rows[:, SHIFTED] == np.inf)).any(axis=1)
    # Primal values: where the same columns stand at their upper bound, the program adds them up alike.
    values, left = np.zeros((many, 2, program.columns)), np.zeros(rows.shape)
    packed = np.packbits(worth, axis=1)
    for factor, part in _parts(factors, sizes):
        alike: dict[bytes, list[int]] = {}
        for number in (sure[part].nonzero()[0] + part.start).tolist():
            alike.setdefault(packed[number].tobytes(), []).append(number)
        for numbers in alike.values():
            at_upper = worth[numbers[0]].nonzero()[0]
            basic, left[numbers] = factor.primal(at_upper, upper[numbers], rows[numbers])
            own = np.zeros((len(numbers), 2, program.columns))
            own[..., at_upper] = upper[numbers].take(at_upper, axis=-1)
            own[..., factor.columns] = basic
            values[numbers] = own
    inside = is_basic[:, None]
    sure &= _stand(np.where(inside, values, np.inf)) & _stand(np.where(inside, upper - values, np.inf))
    loose = ~is_full
    loose[:, program.equations] = False
    sure &= _stand(np.where(loose[:, None], left, np.inf))
    true = values[:, TRUE]
    for number in (sure & (true[:, program.y] > 0.0).any(axis=1)).nonzero()[0].tolist():
        basis = Basis(factors[every[number]], reduced[number, TRUE], duals[number, TRUE])
        sure[number] = not may_change_volume(program, basis)
    return ManySolutions(sure, true, duals[:, TRUE])


def _parts(
    factors: Sequence[BasisFactorization], sizes: Sequence[int]
) -> Iterator[tuple[BasisFactorization, slice]]:
    """Yield each basis with the markets it is tried on."""
    start = 0
    for factor, size in zip(factors, sizes, strict=True):
        yield factor, slice(start, start + size)
        start += size


def _stand(distances: Floats) -> Bools:
    """Return which markets stand clear of another basis (shifted), and within tolerance (true): see `check_basis`."""
    least = distances.min(axis=-1, initial=np.inf)
    sure: Bools = (least[:, SHIFTED] >= MARGIN) & (least[:, TRUE] >= -TOLERANCE)
    return sure
