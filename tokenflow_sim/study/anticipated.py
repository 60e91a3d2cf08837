"""Nash-Cournot equilibrium of players who anticipate what their quantities do to congestion, by best responses.

Each player's quantities load the network, and where a link is full prices on its two sides move apart. A player who
knows that faces a residual demand with kinks, and a profit with several local maxima: holding back may fill the link
towards it and leave it alone with its own customers (passive), selling more may fill the link away from it
(aggressive). A best response is therefore the best of all of these, and there may be no equilibrium in pure
quantities.

Between its kinks profit is a parabola in each quantity, whose top three clearings find exactly.

References
----------
S. Borenstein, J. Bushnell and S. Stoft, "The competitive effects of transmission capacity in a deregulated electricity
industry", RAND Journal of Economics 31 (2000) 294-325.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from tokenflow_sim.errors import CertificateError, Fault, MarketError
from tokenflow_sim.market import Clearing, Market, clear
from tokenflow_sim.market.program import Program
from tokenflow_sim.market.quadratic import LastOptimum, scaled_at_first_unit, smooth_program
from tokenflow_sim.numeric import Floats, Ints
from tokenflow_sim.study.affine import AffineMarket
from tokenflow_sim.study.oligopoly_dataset import Equilibrium, cost_of

# Points of each quantity at which the whole residual demand is looked at.
_GRID = 25
# Share of a quantity's range: steps of a parabola, and where a quantity has settled.
_STEP, _SETTLED = 1e-2, 1e-10
_TRIFLE = 1e-3
_SWEEPS, _JUMPS = 40, 4
# Steps of a golden section: up to rounding, and close enough to go on along a parabola.
_FINE, _ROUGH = 50, 12
# Share of a profit that is no gain.
_GAIN = 1e-9
_GOLDEN = 0.5 * (np.sqrt(5.0) - 1.0)


def anticipated_outputs(affine: AffineMarket, starts: Sequence[Floats] = ()) -> Equilibrium:
    """Find quantities from which no player gains by another of its own, whatever that does to the network.

    Parameters
    ----------
    affine : AffineMarket
        The market.
    starts : sequence of ndarray
        Quantities to begin with in Mtok/s, dims (asset, workload); half of all that there is follows.

    Returns
    -------
    Equilibrium
        Not `converged` where best responses went round from every start: its quantities are then the last ones.
    """
    game = _Quantities(affine)
    beside = [0.5 * game.most]
    count, found = 0, game.most
    for start in (*starts, *beside):
        last, settled, jumps = game.settle(np.clip(start, 0.0, game.most))
        count += jumps
        if (
            game.played(last) is None
        ):  # more than its customers take at any price, and nobody alone can mend it
            continue
        found = last
        if settled:
            return game.outcome(found, True, count)
    return game.outcome(found, False, count)


class _Quantities:
    """The market at quantities that players choose."""

    def __init__(self, affine: AffineMarket) -> None:
        self.affine, arrays = affine, affine.market.arrays
        self.arrays, self.layout = arrays, affine.market.layout
        if arrays.capacity.shape[2] > 1:
            rule = "has several blocks: players who anticipate congestion need offers of one block (with a slope)"
            raise MarketError([Fault(rule, "offer_price")], "market")
        self.rows: Ints = np.flatnonzero(affine.plays[affine.provider_of])
        # Nobody buys more than all that is worth anything.
        asked = affine.most.sum(axis=0)
        self.most = np.minimum(arrays.capacity.sum(axis=2), asked)
        self.most[~affine.plays[affine.provider_of]] = 0.0
        self.program = Program(affine.market)
        self.data = scaled_at_first_unit(self.program, arrays)
        self.smooth = smooth_program(self.program, self.data, arrays)
        self._steps = _ROUGH
        self._last = LastOptimum()

    def played(self, quantity: Floats) -> tuple[Floats, Floats, Floats] | None:
        """Return consumption and prices, dims (node, workload), and the columns; None where no such market clears.

        What players sell is fixed, at no cost to the market; the rest is dispatched at least cost.
        """
        program, scale = self.program, self.data.scale
        lower, upper = self.smooth.lower.copy(), self.smooth.upper.copy()
        costs, curvature = self.smooth.costs.copy(), self.smooth.curvature.copy()
        for array in (lower, upper):
            own = array[program.x].reshape(program.offers_shape)
            own[self.rows] = quantity[self.rows, :, None] / scale.quantity
        for array in (costs, curvature):
            array[program.x].reshape(program.offers_shape)[self.rows] = 0.0
        smooth = replace(self.smooth, costs=costs, curvature=curvature, lower=lower, upper=upper)
        best = self._last.of(smooth, self.data)
        if best is None:
            return None
        columns = best.values
        affine = self.affine
        unserved = columns[program.y].reshape(program.unserved_shape).sum(axis=2) * scale.quantity
        consumption = np.where(affine.there, affine.most - unserved, 0.0)
        price = affine.intercept - affine.slope * consumption
        inside = affine.there & (consumption > _SETTLED * affine.most)
        if not inside.all():  # where nothing is consumed, no demand says what the next unit costs
            nodal = best.duals[program.balance].reshape(program.nodal_shape) * scale.price
            price = np.where(inside, price, nodal)
        return consumption, price, columns * scale.quantity

    def profit(self, player: int, quantity: Floats) -> float:
        """Return what a player earns in $/s with what it has sold forward counted at nothing."""
        found = self.played(quantity)
        if found is None:
            return -np.inf
        _, price, _ = found
        own = self.affine.provider_of == player
        earned = float((price[self.layout.asset_node[own]] * quantity[own]).sum())
        cost = float(cost_of(self.arrays, quantity[:, :, None])[own].sum())
        return earned - cost - float((price * self.affine.forward[player]).sum())

    def settle(self, quantity: Floats) -> tuple[Floats, bool, int]:
        """Reply in turn until nobody moves, then look at all of every residual demand for something better.

        Returns
        -------
        quantity : ndarray
            Dims (asset, workload).
        settled : bool
            Whether nobody gains from any other quantity.
        rounds : int
            How many it took.
        """
        players: list[int] = np.flatnonzero(self.affine.plays).tolist()
        scale = float(self.most.max(initial=0.0))
        quantity, rounds, self._steps = quantity.copy(), 0, _ROUGH
        for _ in range(_JUMPS):
            for _ in range(_SWEEPS):
                rounds += 1
                before = quantity.copy()
                for player in players:
                    quantity = self._improved(player, quantity, self._along)
                moved = float(np.abs(quantity - before).max(initial=0.0))
                if moved <= _SETTLED * scale:
                    break
                self._steps = _FINE if moved <= _STEP * scale else _ROUGH
            else:
                return quantity, False, rounds
            settled = quantity
            for player in players:
                quantity = self._improved(player, quantity, self._anywhere)
            if np.abs(quantity - settled).max(initial=0.0) <= _STEP * _STEP * scale:
                return settled, True, rounds
        return quantity, False, rounds

    def _improved(
        self, player: int, quantity: Floats, search: Callable[[Callable[[float], float], float, float], float]
    ) -> Floats:
        """Return the quantities with the player's own better, one after the other."""
        found = quantity.copy()
        own = (self.affine.provider_of == player)[:, None] & (self.most > 0)
        for asset, k in np.argwhere(own).tolist():

            def earned(one: float, asset: int = asset, k: int = k) -> float:
                changed = found.copy()
                changed[asset, k] = one
                return self.profit(player, changed)

            now = float(found[asset, k])
            best = search(earned, now, float(self.most[asset, k]))
            if best != now and earned(best) > (top := earned(now)) - _GAIN * _GAIN * abs(top):
                found[asset, k] = best
        return found

    def _along(self, earned: Callable[[float], float], now: float, most: float) -> float:
        """Return the top of the parabola through a quantity, or, where a kink is before it, the best up to there."""
        step = _STEP * most
        middle = min(max(now, step), most - step)
        low, mid, high = (earned(middle + sign * step) for sign in (-1, 0, 1))
        bend = low - 2 * mid + high
        if not np.isfinite(bend):
            return now
        end = (0.0 if low > high else most) if bend >= 0 else middle + 0.5 * step * (low - high) / bend
        end = min(max(end, 0.0), most)
        said = mid + (end - middle) / step * 0.5 * (high - low) + 0.5 * ((end - middle) / step) ** 2 * bend
        if abs(earned(end) - said) <= _GAIN * max(abs(said), abs(mid)):
            return end
        left, right = min(middle - step, end), max(middle + step, end)
        return _peak(earned, left, right, self._steps)

    def _anywhere(self, earned: Callable[[float], float], now: float, most: float) -> float:
        """Return the best of all quantities, the present one where none is better."""
        points = np.linspace(0.0, most, _GRID)
        values = np.array([earned(float(point)) for point in points])
        # Every local top, not the highest alone: between points a lower one may be higher still.
        beside = np.concatenate([[-np.inf], values, [-np.inf]])
        tops = np.flatnonzero((values >= beside[:-2]) & (values > beside[2:])).tolist()
        peaks = [
            _peak(earned, points[max(top - 1, 0)], points[min(top + 1, _GRID - 1)], _ROUGH) for top in tops
        ]
        mean, found = earned(now), max(peaks, key=earned, default=now)
        if not np.isfinite(mean):  # what is sold now cannot be: anything that can is better
            return found
        return found if earned(found) > mean + _GAIN * max(abs(mean), abs(float(values.max()))) else now

    def outcome(self, quantity: Floats, converged: bool, rounds: int) -> Equilibrium:
        """Return quantities as an equilibrium, with the clearing that they bring."""
        affine, program = self.affine, self.program
        found = self.played(quantity)
        if found is None:
            raise CertificateError("the market cannot be cleared at the quantities of the last round")
        consumption, price, columns = found
        dispatch = columns[program.x].reshape(program.offers_shape)
        flow = columns[program.f].reshape(program.flow_shape)
        sales = np.zeros((len(affine.providers), *affine.there.shape))
        np.add.at(sales, (affine.provider_of, self.layout.asset_node), dispatch.sum(axis=2))
        islands, hub = affine.islands, np.zeros_like(price)
        for k in range(price.shape[1]):
            _, first = np.unique(islands[:, k], return_index=True)
            hub[:, k] = price[first[islands[:, k]], k]
        clearing = self._cleared(dispatch)
        return Equilibrium(
            price=price,
            consumption=consumption,
            transmission=price - hub,
            sales=sales,
            dispatch=dispatch,
            flow=flow,
            congestion_rent=clearing.values.congestion_rent,
            certificate=clearing.certificate,
            converged=converged,
            rounds=rounds,
        )

    def _cleared(self, dispatch: Floats) -> Clearing:
        """Clear the market at quantities by the market's own engine, which certifies them."""
        capacity, price = self.arrays.capacity.copy(), self.arrays.offer_price.copy()
        capacity[self.rows] = dispatch[self.rows]
        # At most at what anything is worth by a trifle: what is sold is sold whatever the price.
        price[self.rows] = _TRIFLE * float(self.affine.intercept.max())
        changed = self.arrays.with_offers(self.rows, capacity=capacity, offer_price=price)
        return clear(Market.from_arrays(self.layout, changed, self.affine.market.hours, check=False))


def _peak(earned: Callable[[float], float], low: float, high: float, steps: int) -> float:
    """Return the top of a function with one between two points, by golden section."""
    width = high - low
    inner, outer = high - _GOLDEN * width, low + _GOLDEN * width
    one, other = earned(inner), earned(outer)
    for _ in range(steps):
        if one < other:
            low, inner, one = inner, outer, other
            outer = low + _GOLDEN * (high - low)
            other = earned(outer)
        else:
            high, outer, other = outer, inner, one
            inner = high - _GOLDEN * (high - low)
            one = earned(inner)
        if high - low <= _SETTLED * max(abs(high), width):
            break
    return 0.5 * (low + high)
