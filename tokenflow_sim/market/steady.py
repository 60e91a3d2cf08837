"""A program's numbers kept from one market to the next, so that what stays the same is not computed again.

From period to period prices and demand move; what is offered, what lost service is worth, what routes cost and what
links carry mostly stay. Whether they do is seen by their bytes, so that no number depends on what was kept.
"""

from __future__ import annotations

import numpy as np

from tokenflow_sim.market.arrays import Arrays, total
from tokenflow_sim.market.basis import SHIFTED, TRUE
from tokenflow_sim.market.perturbation import Perturbation, Scale, ScaledData
from tokenflow_sim.market.program import Program
from tokenflow_sim.numeric import ZERO, Bools, Floats


class SteadyNumbers:
    """The numbers of the last market, scaled and shifted.

    Parameters
    ----------
    program : Program
        The structure.
    perturbation : Perturbation
        Its perturbation.
    """

    def __init__(self, program: Program, perturbation: Perturbation) -> None:
        self._program, self._perturbation = program, perturbation
        self._key: tuple[object, ...] = ()
        self._both: Floats = np.zeros((2, 0))
        # What arrays of these values say of demand that must be served: all of it, or none.
        self._served: dict[str, Bools | Floats | None] = {}
        # Whether all demand may be shed, so that its bounds move with it.
        self._sheds = False
        columns, y = program.columns, program.y
        self._rows = slice(2 * columns, 2 * columns + program.balance.stop)
        self._shed = slice(columns + y.start, columns + y.stop)

    def of(self, arrays: Arrays) -> ScaledData:
        """Bring a market's numbers into the solver's units, and shift them.

        Parameters
        ----------
        arrays : Arrays
            The market's numbers; with further limits or activities all are computed anew.
        """
        program = self._program
        if arrays.limits or arrays.activities or arrays.expanded is not None:
            return ScaledData.of(program, arrays)
        scale = Scale.of(arrays)
        key = (
            scale.quantity, scale.price, arrays.capacity.tobytes(), arrays.value.tobytes(),
            arrays.route_cost.tobytes(), arrays.allowed.tobytes(), arrays.link_capacity.tobytes(),
            None if arrays.power_limit is None else arrays.power_limit.tobytes(),
        )  # fmt: skip
        if key != self._key:
            return self._anew(arrays, scale, key)
        vars(arrays).update(self._served)
        both = self._both.copy()
        shifts, offers, rows = self._perturbation.numbers, program.x, self._rows
        true, shifted = both[TRUE], both[SHIFTED]
        np.divide(arrays.offer_price.ravel(), scale.price, out=true[offers])
        np.add(true[offers], shifts[offers], out=shifted[offers])
        np.divide(total(arrays.demand).ravel(), scale.quantity, out=true[rows])
        np.add(true[rows], shifts[rows], out=shifted[rows])
        if self._sheds:
            shed = self._shed
            np.divide(arrays.demand.ravel(), scale.quantity, out=true[shed])
            np.add(true[shed], shifts[shed], out=shifted[shed])
            np.copyto(shifted[shed], ZERO, where=true[shed] <= ZERO)
        data = ScaledData.made(program, arrays, scale, true.copy())
        data.shifted, data.bounds = both, None if self._sheds else self._both
        return data

    def _anew(self, arrays: Arrays, scale: Scale, key: tuple[object, ...]) -> ScaledData:
        numbers = self._program.fill(arrays)
        costs, _, _ = self._program.split(numbers)
        costs /= scale.price
        numbers[self._program.columns :] /= scale.quantity
        must_serve = arrays.must_serve
        if must_serve is None or np.count_nonzero(must_serve) == must_serve.size:
            self._key, self._both = key, np.empty((2, numbers.size))
            self._sheds, self._served = must_serve is None, {"must_serve": must_serve}
            if not self._sheds:  # zeros, whatever is asked for
                self._served |= {"worth": arrays.worth, "sheddable": arrays.sheddable}
            self._both[TRUE] = numbers
            self._perturbation.add(numbers, self._both[SHIFTED])
        return ScaledData.made(self._program, arrays, scale, numbers)
