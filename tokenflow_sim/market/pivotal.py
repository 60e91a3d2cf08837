r"""Pivotal suppliers and the residual supply index (RSI): whether the others could serve demand without one.

    RSI_i = (sum_j S_j - S_i) / D,        provider i is pivotal where S_i > 0 and RSI_i < 1,

with supply S_j of each provider and demand D, over all nodes together. What supply and demand are measured in is
the variant, which has two parts:

- *by class*: each class separately, in Mtok/s. Where the classes of an asset share its power, its supply of a class is
  what the power that the other classes leave can serve.
- *by power*: all classes together, in MW. Supply is the power of the assets, no more than their capacities can draw;
  demand is the power that serving it draws.

and supply is either *existing* (all capacity, outages taken off, whatever was offered) or *offered*.

The network is not in any of them: links and latency limits can make a provider pivotal whose index is above 1.
What goes unserved when the market is cleared without a provider (`measures.pivotal`) has them in it; that is another
measure.

References
----------
A. Y. Sheffrin, "Predicting Market Power Using the Residual Supply Index", FERC Market Monitoring Workshop, 2002
(the index of the California ISO: total available supply less the supplier's, over demand). J. Bushnell, C. Knittel and
F. Wolak, "Estimating the Opportunities for Market Power in a Deregulated Wisconsin Electricity Market", 1999, and FERC
Order No. 697 (2007), paragraph 35 (the pivotal supplier: demand cannot be met without it).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from tokenflow_sim.numeric import Bools, Floats, Ints

By = Literal["class", "power"]
Capacity = Literal["existing", "offered"]
_ROUNDING = 1e-9  # share of demand up to which a shortfall is the rounding of a solver


@dataclass(frozen=True)
class Variant:
    """Which residual supply index is meant.

    Parameters
    ----------
    by : {'class', 'power'}
        Each class separately, or all together by the power that they share.
    capacity : {'existing', 'offered'}
        Whether supply is what exists or what was offered.
    """

    by: By
    capacity: Capacity

    def __str__(self) -> str:
        """Name it as figures, reports and attributes do, e.g. ``by power, existing capacity``."""
        return f"by {self.by}, {self.capacity} capacity"


@dataclass(frozen=True, eq=False)
class ResidualSupply:
    """Supply of each provider, and demand.

    Parameters
    ----------
    supply : ndarray
        Dims (..., provider) by power, in MW, or (..., provider, workload) by class, in Mtok/s.
    demand : ndarray
        Dims (...) or (..., workload).
    axis : int
        The axis of providers: -1 by power, -2 by class.
    """

    supply: Floats
    demand: Floats
    axis: int

    @property
    def index(self) -> Floats:
        """RSI, dims of `supply`; infinite where nothing is asked for, NaN where demand is missing."""
        count = self.supply.shape[self.axis]
        # Summed apart: what is left of a sum less its only part would be rounding, and of infinite ones no number.
        rest = [np.delete(self.supply, place, self.axis).sum(axis=self.axis) for place in range(count)]
        others = np.stack(rest, axis=self.axis) if rest else np.zeros_like(self.supply)
        asked = np.expand_dims(self.demand, self.axis)
        with np.errstate(divide="ignore", invalid="ignore"):
            index: Floats = np.where(asked == 0, np.inf, others / asked)
        return index

    def jointly(self, suppliers: int) -> Floats:
        """Return the index of each provider together with the largest of the others, dims of `supply`.

        Parameters
        ----------
        suppliers : int
            How many are taken out: the provider itself and the largest ``suppliers - 1`` of the others. With one it is
            `index`.

        Notes
        -----
        RSI_i(n) = (sum_j S_j - S_i - the largest n - 1 of the other S_j) / D: with three, the three-pivotal-supplier
        test of PJM. Infinite where nothing is asked for.
        """
        along = np.moveaxis(self.supply, self.axis, -1)
        count = along.shape[-1]
        # Summed from the smallest up: what is left of a sum less its largest parts would be rounding.
        rest = [
            np.sort(np.delete(along, place, -1), axis=-1)[..., : max(count - suppliers, 0)].sum(axis=-1)
            for place in range(count)
        ]
        others = np.stack(rest, axis=-1) if rest else np.zeros_like(along)
        asked = np.asarray(self.demand)[..., None]
        with np.errstate(divide="ignore", invalid="ignore"):
            index: Floats = np.where(asked == 0, np.inf, others / asked)
        return np.moveaxis(index, -1, self.axis)

    @property
    def pivotal(self) -> Bools:
        """Whether demand cannot be met without the provider, dims of `supply`.

        Who has no supply is not needed, however short the market is.
        """
        found: Bools = (self.supply > 0) & is_short(self.index)
        return found


def is_short(index: Floats) -> Bools:
    """Return where a residual supply index is below 1 by more than the rounding of a solver."""
    short: Bools = index < 1.0 - _ROUNDING
    return short


def suffices(index: Floats) -> Bools:
    """Return where a residual supply index is above 1 by more than rounding, as who passes PJM's test has to be."""
    enough: Bools = index > 1.0 + _ROUNDING
    return enough


def residual_supply(
    by: By,
    demand: Floats,
    capacity: Floats,
    firm: Ints,
    firms: int,
    *,
    power_use: Floats | None = None,
    power_limit: Floats | None = None,
    dispatch: Floats | None = None,
) -> ResidualSupply:
    """Set the supply of providers against demand.

    Parameters
    ----------
    by : {'class', 'power'}
        As of `Variant`.
    demand : ndarray
        What must be served of each class in Mtok/s, dims (..., workload), over all nodes.
    capacity : ndarray
        What exists, or what is offered, in Mtok/s, dims (..., asset, workload).
    firm : ndarray of int
        The provider of each asset, dims (asset,).
    firms : int
        How many providers there are.
    power_use, power_limit : ndarray, optional
        Power drawn in MW per Mtok/s, dims (..., asset, workload), and power in MW, dims (..., asset), where classes
        share it.
    dispatch : ndarray, optional
        What was served in Mtok/s, dims (..., asset, workload): leaves the other classes their power in the index by
        class, and says how much power a class draws on average in that by power. Where it is not known, an asset could
        give all its power to any class, and the averages are over what could be served.

    Raises
    ------
    ValueError
        If the index by power is asked for where no power is shared.
    """
    if by == "power":
        if power_use is None or power_limit is None:
            raise ValueError("the residual supply index by power needs shared power")
        able = (power_use * capacity).sum(axis=-1)
        supply = np.minimum(power_limit, able)
        asked = _power_asked(demand, capacity, power_use, dispatch)
        return ResidualSupply(_by_firm(supply, firm, firms, -1), asked, -1)
    supply = supply_of_class(capacity, power_use, power_limit, dispatch)
    return ResidualSupply(_by_firm(supply, firm, firms, -2), demand, -2)


def supply_of_class(
    capacity: Floats, power_use: Floats | None, power_limit: Floats | None, dispatch: Floats | None = None
) -> Floats:
    """Return what each asset could serve of each class, the others being served as they were.

    Parameters
    ----------
    capacity, power_use, power_limit, dispatch
        As of `residual_supply`.

    Returns
    -------
    ndarray
        In Mtok/s, dims (..., asset, workload): capacity, and where classes share power, no more than what the power
        that the other classes leave can serve.
    """
    if power_use is None or power_limit is None:
        return capacity
    left = power_limit[..., None]
    if dispatch is not None:
        drawn = power_use * dispatch
        left = np.maximum(left - (drawn.sum(axis=-1, keepdims=True) - drawn), 0.0)
    able = np.where(power_use > 0, left / np.where(power_use > 0, power_use, 1.0), 0.0)
    return np.minimum(able, capacity)


def _power_asked(demand: Floats, capacity: Floats, power_use: Floats, dispatch: Floats | None) -> Floats:
    """Return the power that demand draws in MW, dims (...): each class at the mean use of those who serve it."""
    able = capacity.sum(axis=-2)
    use = _mean(power_use, capacity, able)
    if dispatch is None:
        asked: Floats = (use * demand).sum(axis=-1)
        return asked
    sold = dispatch.sum(axis=-2)
    use = np.where(sold > 0, _mean(power_use, dispatch, sold), use)
    drawn = (power_use * dispatch).sum(axis=(-2, -1))
    # What was served drew what it drew; the rest would at the mean of its class.
    whole: Floats = drawn + (use * np.maximum(demand - sold, 0.0)).sum(axis=-1)
    return whole


def _mean(power_use: Floats, weight: Floats, total: Floats) -> Floats:
    drawn = (power_use * weight).sum(axis=-2)
    mean: Floats = np.divide(drawn, total, out=np.zeros_like(drawn), where=total > 0)
    return mean


def _by_firm(supply: Floats, firm: Ints, firms: int, axis: int) -> Floats:
    # By masks, since a product with zeros would make no number of unlimited supply.
    along = np.moveaxis(supply, axis, 0)
    summed = [along[firm == place].sum(axis=0) for place in range(firms)]
    return np.moveaxis(np.array(summed).reshape(firms, *along.shape[1:]), 0, axis)
