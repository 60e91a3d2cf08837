"""How the price at a player's nodes moves with what it sells there, all others supplying along their lines.

Which links are full decides who competes with whom. Given the clearing, that is the derivative of its conditions with
the player's own supply held: the others' lines, demand's, and the flows that still move answer to one unit more.

References
----------
R. Baldick, R. Grant and E. Kahn, "Theory and application of linear supply function equilibrium in electricity
markets", Journal of Regulatory Economics 25 (2004) 143-167. B. F. Hobbs, C. B. Metzler and J.-S. Pang, "Strategic
gaming analysis for electric power systems: an MPEC approach", IEEE Transactions on Power Systems 15 (2000) 638-645.
"""

from __future__ import annotations

import numpy as np

from tokenflow_sim.errors import CertificateError, Fault, MarketError
from tokenflow_sim.market import Arrays, Market, clear
from tokenflow_sim.market.program import Program
from tokenflow_sim.market.quadratic import LastOptimum, scaled_at_first_unit, smooth_program
from tokenflow_sim.market.separable import SeparableProgram
from tokenflow_sim.numeric import Bools, Floats, Ints
from tokenflow_sim.study.affine import AffineMarket
from tokenflow_sim.study.oligopoly_dataset import cost_of

# In the solver's units, in which prices and quantities are of the size of 64: what holds less holds nothing.
_HELD = 1e-7
# How the system is regularised, and how often what that leaves is taken away.
_GIVE, _REFINEMENTS = 1e-9, 6
# Relative: entries of one derivative that differ by less are equal.
_SAME = 1e-6
# Quantities of a player that are tried, as shares of its own.
_SHARES = (0.0, 0.25, 0.5, 0.75, 0.9, 1.1, 1.25, 1.5, 2.0)


class Regimes:
    """The market of an equilibrium in lines, asked for derivatives of its clearings.

    Parameters
    ----------
    affine : AffineMarket
        The market; its offers are true costs.
    """

    def __init__(self, affine: AffineMarket) -> None:
        self.affine = affine
        self._program, self._last = Program(affine.market), LastOptimum()

    def around(self, offered: Market) -> Floats:
        """Return by how much all others supply more, and demand less, for a dollar of price at a player's nodes.

        Parameters
        ----------
        offered : Market
            The market at the players' lines.

        Returns
        -------
        ndarray
            In Mtok/s per $/Mtok, dims (provider, workload); zero for who does not play, or offers nothing.

        Raises
        ------
        MarketError
            If a player's prices do not move as one: it sells a class at nodes whose prices move apart, or its classes
            share a full limit.
        CertificateError
            If the market has no optimum.
        """
        affine, program = self.affine, self._program
        data = scaled_at_first_unit(program, offered.arrays)
        smooth = smooth_program(program, data, offered.arrays)
        found = self._last.of(smooth, data)
        if found is None:
            raise CertificateError("the market cannot be cleared at the players' lines")
        # What loses nothing by moving moves, and what is full at no rent gives way.
        slope = smooth.costs + smooth.curvature * found.values - smooth.coefficients.charged(found.duals)
        still = (found.low | found.high) & ~((np.abs(slope) <= _HELD) & (smooth.curvature == 0))
        moves = ~(still | (smooth.upper <= smooth.lower))
        tight = (smooth.floor == smooth.ceiling) | (found.tight & (found.duals < -_HELD))
        scale = data.scale.quantity / data.scale.price
        firms, classes = len(affine.providers), len(offered.layout.workloads)
        around = np.zeros((firms, classes))
        x = np.arange(program.x.start, program.x.stop).reshape(program.offers_shape)
        row = np.arange(program.balance.start, program.balance.stop).reshape(program.nodal_shape)
        able = offered.arrays.capacity.sum(axis=2) > 0
        for firm in np.flatnonzero(affine.plays).tolist():
            own = affine.provider_of == firm
            free = moves.copy()
            free[x[own].ravel()] = False
            cells = [
                (k, np.unique(offered.layout.asset_node[own & able[:, k]]))
                for k in range(classes)
                if able[own, k].any()
            ]
            rows = np.concatenate([row[nodes, k] for k, nodes in cells]).astype(np.int64)
            answer = _answers(smooth, free, tight, rows)
            start = 0
            for k, nodes in cells:
                stop = start + nodes.size
                block = answer[start:stop, start:stop]
                beside = np.delete(answer[start:stop], np.arange(start, stop), axis=1)
                self._check(firm, k, block, beside)
                around[firm, k] = scale / max(float(block[0, 0]), np.finfo(float).tiny)
                start = stop
        return around

    def _check(self, firm: int, workload: int, block: Floats, beside: Floats) -> None:
        layout, size = self.affine.market.layout, float(np.abs(block).max())
        place = f"provider {self.affine.providers[firm]!r}, workload {str(layout.workloads[workload])!r}"
        faults = []
        if np.ptp(block) > _SAME * size:
            rule = "has assets where prices move apart, so that no one line is its best reply; use tf.cournot"
            faults.append(Fault(f"{rule}: {place}", "asset_node"))
        elif np.abs(beside).max(initial=0.0) > _SAME * size:
            rule = "has classes that share a full limit, so that none has a line of its own; use tf.cournot"
            faults.append(Fault(f"{rule}: {place}", "link_capacity"))
        if faults:
            raise MarketError(faults, "market")

    def gain(self, offered: Market, dispatch: Floats, price: Floats) -> float:
        """Return the largest share of its profit by which a player would earn more with other quantities.

        Parameters
        ----------
        offered : Market
            The market at the players' lines.
        dispatch, price : ndarray
            Its clearing, dims (asset, workload, block) and (node, workload).

        Notes
        -----
        The quantities of one class are tried at several shares, whatever they do to the network; all others keep to
        their lines.
        """
        affine, true = self.affine, self.affine.market.arrays
        layout, best = offered.layout, 0.0
        for firm in np.flatnonzero(affine.plays).tolist():
            rows = np.flatnonzero(affine.provider_of == firm)
            now = _profit(true, layout.asset_node, rows, dispatch, price)
            for k in np.flatnonzero(dispatch[rows].sum(axis=(0, 2)) > 0).tolist():
                for share in _SHARES:
                    sold = dispatch[rows].copy()
                    sold[:, k] = np.minimum(share * sold[:, k], true.capacity[rows][:, k])
                    earned = self._earned(offered, rows, sold)
                    best = max(best, (earned - now) / max(abs(now), np.finfo(float).tiny))
        return best

    def _earned(self, offered: Market, rows: Ints, sold: Floats) -> float:
        """Return what a player earns in $/s at fixed quantities; minus infinity where they are not bought."""
        capacity, price = offered.arrays.capacity.copy(), offered.arrays.offer_price.copy()
        capacity[rows], price[rows] = sold, 0.0
        changed = offered.arrays.with_offers(rows, capacity=capacity, offer_price=price)
        values = clear(Market.from_arrays(offered.layout, changed, offered.hours, check=False)).values
        if (values.dispatch[rows] < sold * (1 - _SAME)).any():
            return -np.inf
        return _profit(
            self.affine.market.arrays, offered.layout.asset_node, rows, values.dispatch, values.price
        )


def _profit(true: Arrays, asset_node: Ints, rows: Ints, dispatch: Floats, price: Floats) -> float:
    earned = float((price[asset_node[rows]][:, :, None] * dispatch[rows]).sum())
    return earned - float(cost_of(true, dispatch)[rows].sum())


def _answers(smooth: SeparableProgram, free: Bools, tight: Bools, rows: Ints) -> Floats:
    """Return by how much the duals of some rows rise with one more unit asked for in each, dims (row, row)."""
    own, coefficients = smooth.curvature[free], smooth.coefficients
    met = tight & coefficients.met_by(free)
    solve = coefficients.optimality(free, met, np.where(own > 0, own, _GIVE), _GIVE)
    if solve is None or not met[rows].all():
        return np.full((rows.size, rows.size), np.inf)
    found = np.zeros((rows.size, rows.size))
    for number, row in enumerate(rows.tolist()):
        values, duals = np.zeros(free.size), np.zeros(tight.size)
        for _ in range(_REFINEMENTS):
            unmet = -coefficients.used(values)
            unmet[row] += 1.0
            slope = (smooth.curvature * values - coefficients.charged(duals))[free]
            step = solve(np.concatenate((-slope, unmet[met])))
            values[free] += step[: own.size]
            duals[met] -= step[own.size :]
        found[:, number] = duals[rows]
    return found
