"""Bases that markets beside each other ended in, tried on all of them before a solver is run for each.

Markets of one scenario at many seeds often end in the same few bases, though seldom two periods in a row in the same
one. So many are kept, and it is estimated for all markets at once, by products of matrices, in which a basis may be
optimal; `proof_beside.prove` proves it then. An estimate decides what is tried and nothing else, so that no bit
depends on it, nor on what is remembered.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tokenflow_sim.market.arrays import Arrays
from tokenflow_sim.market.basis import SHIFTED
from tokenflow_sim.market.data_beside import ManyData, ManyMarkets
from tokenflow_sim.market.factorization import BasisFactorization
from tokenflow_sim.market.market import Market
from tokenflow_sim.market.merit_order import MeritOrder
from tokenflow_sim.market.perturbation import Perturbation
from tokenflow_sim.market.program import Program
from tokenflow_sim.market.proof_beside import prove
from tokenflow_sim.market.values_beside import ManyValues, residuals_beside, values_beside
from tokenflow_sim.numeric import Bools, Floats, Ints

# How many bases are kept; what a basis found in earlier periods counts for this share of what it finds in the next.
_KEPT, _LASTING = 256, 0.9
# From this share of a market a period on that it has found of late, a basis is worth its estimate.
_WORTH = 1.0 / 500.0


class _KnownBasis:
    """A basis, and what estimates for which markets it may be optimal.

    Parameters
    ----------
    program : Program
        The structure, a small one.
    factor : BasisFactorization
        The basis.
    """

    def __init__(self, program: Program, factor: BasisFactorization) -> None:
        self.factor, self.found = factor, 1.0
        dense = program.dense
        assert dense is not None
        self._others: Ints = (~factor.is_basic[0, : program.v.start]).nonzero()[0]
        # What a column or a full limit pays to the rows by the costs of the basic columns.
        inverse = np.linalg.inv(dense[np.ix_(factor.columns, factor.tight)])
        self._inverse = inverse
        self._others_in = dense[self._others]
        self._pays = inverse.T @ np.hstack(
            [self._others_in[:, factor.tight].T, np.eye(factor.tight.size)[:, program.equations.stop :]]
        )
        self._basic_in_loose = dense[np.ix_(factor.columns, factor.loose)]

    def may_be_optimal(self, costs: Floats, upper: Floats, rows: Floats) -> Bools:
        """Return which of the shifted programs it is optimal for, up to rounding.

        Parameters
        ----------
        costs, upper, rows : ndarray
            Dims (market, ...).
        """
        factor, width = self.factor, self._others.size
        charges = costs.take(factor.columns, axis=1) @ self._pays
        bounds = upper.take(self._others, axis=1)
        high = costs.take(self._others, axis=1) < charges[:, :width]
        wrong = (high & (bounds == np.inf)).any(axis=1) | (charges[:, width:] > 0.0).any(axis=1)
        wrong |= (rows.take(factor.full, axis=1) == np.inf).any(axis=1)
        some = (~wrong).nonzero()[0]
        if not some.size:
            return np.zeros(len(costs), dtype=np.bool_)
        left = rows[some] - np.where(high[some], bounds[some], 0.0) @ self._others_in
        values = left.take(factor.tight, axis=1) @ self._inverse
        fits = (values >= 0.0) & (values <= upper[some].take(factor.columns, axis=1))
        slack = left.take(factor.loose, axis=1) - values @ self._basic_in_loose
        found: Bools = ~wrong
        found[some] = fits.all(axis=1) & (slack >= 0.0).all(axis=1)
        return found


@dataclass(eq=False, slots=True)
class Cleared:
    """What some of many markets clear at.

    Parameters
    ----------
    which : ndarray of int
        The markets.
    values : ManyValues
        The clearings.
    worst : ndarray
        Their largest residuals, dims (market,).
    apart : ndarray of bool
        Where numbers lie so far apart that each may have to be measured by itself, dims (market,).
    """

    which: Ints
    values: ManyValues
    worst: Floats
    apart: Bools


class BasesBeside:
    """Clears markets beside each other of which a remembered basis is proved to be the only optimal one.

    Parameters
    ----------
    market : Market
        One of them, for which `fits`.
    """

    def __init__(self, market: Market) -> None:
        self.program = Program(market)
        self._perturbation = Perturbation(self.program)
        self._known: dict[bytes, _KnownBasis] = {}

    @staticmethod
    def fits(market: Market) -> bool:
        """Whether markets have the structure that can be cleared so: a small network, and no limits but its links'.

        Parameters
        ----------
        market : Market
            One of them, or all.
        """
        return bool(market.layout.origin.size) and MeritOrder.fits(market)

    def keep(self, columns: Ints, tight: Ints) -> None:
        """Remember a basis.

        Parameters
        ----------
        columns, tight : ndarray of int
            The basic columns, and the rows whose slack is not basic, in ascending order.
        """
        program, key = self.program, columns.tobytes() + b"|" + tight.tobytes()
        # One in which demand is short is left to the engine, and so are large programs, of which few come again.
        if program.dense is None or key in self._known or columns[-1] >= program.v.start:
            return
        self._known[key] = _KnownBasis(program, BasisFactorization(program, columns, tight))
        if len(self._known) > _KEPT:
            del self._known[min(self._known, key=lambda one: self._known[one].found)]

    def clear(self, arrays: Arrays, many: int, which: Ints) -> Cleared | None:
        """Clear what is known to end in a remembered basis.

        Parameters
        ----------
        arrays : Arrays
            Markets whose rows follow each other.
        many : int
            How many there are.
        which : ndarray of int
            Which of them to clear.

        Returns
        -------
        Cleared or None
            Some of the markets; None where it is none.
        """
        if not self._known or not which.size:
            return None
        program = self.program
        markets = ManyMarkets.of(arrays, many, which)
        data = ManyData.of(program, self._perturbation, markets)
        # What a link without capacity keeps off is left to the engine, and what has other coefficients.
        use = arrays.link_use.reshape(many, -1, arrays.link_use.shape[1])[which]
        (term,) = program.limits[0].limit.terms
        served = (markets.link_capacity > 0.0).all(axis=1) & (use == term.use).all(axis=(1, 2))
        tried, likely = self._likely(data, served.nonzero()[0])
        if not tried:
            return None
        order = np.concatenate(likely)
        data = data.take(order)
        solved = prove(program, data, [one.factor for one in tried], [some.size for some in likely])
        start = 0
        for known, some in zip(tried, likely, strict=True):
            known.found += (1.0 - _LASTING) * int(np.count_nonzero(solved.proved[start : start + some.size]))
            start += some.size
        proved = solved.proved.nonzero()[0]
        if not proved.size:
            return None
        own = markets.take(order[proved])
        columns = solved.values[proved] * data.quantity[proved, None]
        duals = solved.duals[proved] * data.price[proved, None]
        values = values_beside(program, own, columns, duals)
        return Cleared(which[order[proved]], values, *residuals_beside(program, own, values))

    def _likely(self, data: ManyData, waiting: Ints) -> tuple[list[_KnownBasis], list[Ints]]:
        """Return bases and the markets that each of them may be optimal for; those found most of late first."""
        costs, upper, rows = (
            np.ascontiguousarray(part[waiting, SHIFTED]) for part in (data.costs, data.upper, data.rows)
        )
        tried, likely = [], []
        for known in sorted(self._known.values(), key=lambda one: -one.found):
            known.found *= _LASTING
            if not waiting.size or known.found < _WORTH:
                continue
            found = known.may_be_optimal(costs, upper, rows)
            if found.any():
                tried.append(known)
                likely.append(waiting[found])
                rest = ~found
                waiting, costs, upper, rows = waiting[rest], costs[rest], upper[rest], rows[rest]
        return tried, likely
