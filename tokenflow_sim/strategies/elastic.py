"""Strategies of demand regions that ask period by period: inelastic, growing, and elastic demand."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from tokenflow_sim.numeric import Bools, Floats
from tokenflow_sim.strategies.by_class import ByClass, by_class, check_numbers
from tokenflow_sim.strategies.demand import Bid, DemandStrategy, DemandView


class Inelastic(DemandStrategy):
    """Ask for all demand, at what lost service is worth.

    The paper's demand: fixed, and served whatever it costs up to the value of lost service, which is infinite
    where demand must be served.
    """

    follows_state = True

    def bid(self, view: DemandView) -> Bid:
        """Bid demand at its value."""
        return Bid(quantity=view.demand, value=view.value)


YEAR = 8760.0  # hours


class Growth(DemandStrategy):
    """Ask for the scenario's demand times a factor that grows from one, at its value.

    After t years the factor is ``(1 + rate)^t``, or with a limit K, by logistic growth,
    ``K / (1 + (K - 1) (1 + rate)^-t)``. Daily and weekly profiles are the scenario's and stay as they are.

    Parameters
    ----------
    rate : float or dict
        Growth a year as a share, above -1; by class, or one for all. A class left out does not grow. With a
        limit, growth while demand is far below it.
    form : {'exponential', 'logistic'}
        Growth without end, or towards a limit.
    limit : float
        Multiple of the first demand that logistic growth tends to, at least 1; exponential growth ignores it.

    Raises
    ------
    ValueError
        If a parameter is out of range.

    References
    ----------
    P.-F. Verhulst, "Notice sur la loi que la population suit dans son accroissement", Correspondance
    mathematique et physique 10 (1838) 113-121. Z. Griliches, "Hybrid corn: an exploration in the economics of
    technological change", Econometrica 25 (1957) 501-522: logistic growth of the use of a technology.
    """

    def __init__(
        self,
        rate: ByClass = 0.5,
        form: Literal["exponential", "logistic"] = "exponential",
        limit: float = 10.0,
    ) -> None:
        check_numbers("rate", rate, -0.999999)
        check_numbers("limit", limit, 1.0)
        if form not in ("exponential", "logistic"):
            raise ValueError(f"form must be exponential or logistic; found {form!r}")
        self.rate = rate
        self.form: Literal["exponential", "logistic"] = form
        self.limit = limit

    def bid(self, view: DemandView) -> Bid:
        """Bid what demand has grown to."""
        rate = by_class("rate", self.rate, view.workloads, 0.0)
        years = view.period * view.hours / YEAR
        if self.form == "exponential":
            factor = (1 + rate) ** years
        else:
            factor = self.limit / (1 + (self.limit - 1) * np.exp(-years * np.log1p(rate)))
        if not np.isfinite(factor).all():
            raise ValueError(
                f"demand has grown beyond all numbers after {math.floor(years)} years at rate {self.rate!r}"
            )
        return Bid(view.demand * factor, view.value)


def reference_of(given: ByClass | None, view: DemandView) -> Floats:
    """Return the price at which demand is what the scenario says: given, or the scenario's own.

    Parameters
    ----------
    given : float, dict or None
        Reference price in $/Mtok for all classes or by class (a class left out has none); None takes that of the
        scenario, `DemandView.reference_price`.
    view : DemandView
        What the region sees.

    Returns
    -------
    ndarray
        In $/Mtok, dims (node, workload); NaN where there is none, and where it is not positive.

    Notes
    -----
    Never a price that was seen in the run: the strategy under test would then choose the demand that is to judge it.
    """
    if given is None:
        price = view.reference_price
    else:
        one = by_class("reference_price", given, view.workloads, math.nan)
        price = np.tile(one, (len(view.nodes), 1))
    return np.where(price > 0, price, math.nan)


class PriceElastic(DemandStrategy):
    """Bid a demand curve of given elasticity through the scenario's demand at a reference price.

    With reference price p0, demand d of the scenario and elasticity e, users want

    - ``q(p) = d (p / p0)^e`` where the form is ``constant``,
    - ``q(p) = d (1 + e (p / p0 - 1))`` where it is ``linear``.

    The part that no price up to the ceiling deters is bid at the value of lost service (and must be served where
    that is infinite); the rest, up to `most` times d, enters as steps, each at the mean willingness to pay over its
    piece of the curve. They are of equal quantity on either side of d, where one ends and the next begins: at the
    reference price exactly d is wanted. So the steps have the area of the curve, and the bid is truthful. What is too
    dear for its step counts as unserved in the results.

    The form ``affine`` bids the line itself, from nothing to what is wanted at a price of zero, as one step with a
    slope (`Bid.slope`), exactly: `most`, `ceiling` and `steps` have no say in it, nor has the value of lost service.
    Results then have as `demand` what was wanted at the price, which is what was served, and nothing `unserved`.

    Parameters
    ----------
    elasticity : float or dict
        Elasticity of demand at the reference price, not positive; by class, or one for all. A class left out, or
        at zero, does not respond.
    reference_price : float, dict or None
        Price in $/Mtok at which users want what the scenario says; by class, or one for all. None takes the
        scenario's own: at each node the mean truthful price of expected demand over the first week, weighted by that
        demand.
    form : {'constant', 'linear', 'affine'}
        Shape of the curve; ``affine`` is the line itself in place of steps.
    most : float
        Most that is wanted however low the price, as a multiple of the scenario's demand; at least 1.
    ceiling : float
        Dearest price that deters anyone, as a multiple of the reference price (the value of lost service bounds
        it too); above 1.
    steps : int
        Number of steps, at least 2; with 2, nothing beyond d is bid.

    Raises
    ------
    ValueError
        If a parameter is out of range.

    Notes
    -----
    The curve belongs to the scenario: without `reference_price` it is made from the truthful market of expected
    demand (up to 24 clearings, once for a scenario in a process), never from prices of the run. So it is the same
    for all strategies that are compared and for all seeds but for the noise on d, and results have it as
    ``reference_price``. Welfare is the area under it up to what is served, less true costs. That is at its greatest
    when all are truthful, and an equal mark-up of everybody lowers it or leaves it as it is: with W welfare and C true
    cost of service, the market maximises W - m C at mark-up m, so that C and hence W cannot rise with m.

    Steps are worth nothing or more, so that a negative price brings in all that `most` allows, and no more. A
    class whose reference price is zero or negative does not respond.

    References
    ----------
    D. S. Kirschen, G. Strbac, P. Cumperayot and D. de Paiva Mendes, "Factoring the elasticity of demand in
    electricity prices", IEEE Transactions on Power Systems 15 (2000) 612-617: elastic demand in a cleared
    market. S. Borenstein, "The long-run efficiency of real-time electricity pricing", The Energy Journal 26(3)
    (2005) 93-116: constant elasticity through a reference point.
    """

    def __init__(
        self,
        elasticity: ByClass = -0.5,
        reference_price: ByClass | None = None,
        form: Literal["constant", "linear", "affine"] = "constant",
        most: float = 1.5,
        ceiling: float = 10.0,
        steps: int = 8,
    ) -> None:
        check_numbers("elasticity", elasticity, -math.inf, 0.0)
        check_numbers("reference_price", reference_price, 0.0)
        check_numbers("most", most, 1.0)
        check_numbers("ceiling", ceiling, 1.0)
        if form not in ("constant", "linear", "affine"):
            raise ValueError(f"form must be constant, linear or affine; found {form!r}")
        if steps < 2:
            raise ValueError(f"steps must be at least 2; found {steps!r}")
        self.elasticity = elasticity
        self.reference_price = reference_price
        self.form: Literal["constant", "linear", "affine"] = form
        self.most = most
        self.ceiling = ceiling
        self.steps, self.bids_slopes = (1, True) if form == "affine" else (steps, False)
        self.uses_reference_price = reference_price is None

    def bid(self, view: DemandView) -> Bid:
        """Bid the curve; all at its value where there is no reference price."""
        elasticity = by_class("elasticity", self.elasticity, view.workloads, 0.0)
        reference = reference_of(self.reference_price, view)
        responds = np.isfinite(reference) & (elasticity < 0)
        if not responds.any():
            return Bid(view.demand, view.value)
        if self.form == "affine":
            return self._line(view, np.broadcast_to(elasticity, responds.shape), reference, responds)
        quantity = np.zeros((*view.demand.shape, self.steps))
        value = np.zeros_like(quantity)
        quantity[:, :, 0], value[:, :, 0] = view.demand, view.value
        if self.steps > 1:
            e = np.broadcast_to(elasticity, responds.shape)[responds][:, None]
            price, most = reference[responds][:, None], view.value[responds][:, None]
            shares, worth = curve(e, np.minimum(most / price, self.ceiling), self.most, self.steps, self.form)
            quantity[responds] = shares * view.demand[responds][:, None]
            value[responds, 1:] = np.minimum(worth * price, most)
        return Bid(quantity, value)

    @staticmethod
    def _line(view: DemandView, elasticity: Floats, reference: Floats, responds: Bools) -> Bid:
        """Bid the line through the reference point: p = p0 (1 - 1 / e) + p0 / (e d) q."""
        there = responds & (view.demand > 0)
        e, price = np.where(there, elasticity, -1.0), np.where(there, reference, 0.0)
        demand = np.where(there, view.demand, 1.0)
        slope = np.where(there, -price / (e * demand), 0.0)
        return Bid(
            np.where(there, demand * (1.0 - e), view.demand),
            np.where(there, price * (1.0 - 1.0 / e), view.value),
            slope=slope,
        )


def curve(
    elasticity: Floats, top: Floats, most: float, steps: int, form: Literal["constant", "linear"]
) -> tuple[Floats, Floats]:
    """Return a demand curve as steps, in units of the reference point.

    Parameters
    ----------
    elasticity : ndarray
        Elasticity at the reference point, negative, dims (curve, 1).
    top : ndarray
        Dearest price that deters anyone, over the reference price, dims (curve, 1).
    most : float
        Most that is wanted, over the reference quantity.
    steps : int
        Number of steps.
    form : {'constant', 'linear'}
        Shape of the curve.

    Returns
    -------
    quantity : ndarray
        Quantity of each step over the reference quantity, dims (curve, step); the first is what is wanted at `top`.
    worth : ndarray
        Mean willingness to pay of each step but the first over the reference price, dims (curve, step - 1).
    """
    if form == "linear":
        core = np.clip(1 + elasticity * (top - 1), 0.0, most)
        full = np.clip(1 - elasticity, core, most)  # at a price of zero
    else:
        core = np.minimum(top**elasticity, most)
        full = np.full_like(core, most)
    # One edge lies at the reference quantity, so that at the reference price no step is cut: the others are shared
    # out between its two sides by length, at least one a side that there is.
    middle = np.clip(1.0, core, full)
    below, above = middle - core, full - middle
    count = steps - 1
    if count == 1:
        above = np.zeros_like(above)  # what is wanted beyond is left out
    with np.errstate(invalid="ignore"):
        part = np.rint(count * np.nan_to_num(below / (below + above)))
    left = np.where(below > 0, np.where(above > 0, np.clip(part, 1, count - 1), count), 0.0)
    number = np.arange(steps)
    up = middle + above * np.clip((number - left) / np.maximum(count - left, 1), 0.0, 1.0)
    edges = np.where(number < left, core + below * np.minimum(number / np.maximum(left, 1), 1.0), up)
    low, high = edges[:, :-1], edges[:, 1:]
    width = high - low
    if form == "linear":
        mean = 1 + (0.5 * (low + high) - 1) / elasticity
    else:
        # The mean of q^(1/e) from low to high, written so that it holds at e = -1, where it is a logarithm.
        power = 1 / elasticity + 1
        log = np.log(high / low)
        area = np.where(power == 0, log, low**power * np.expm1(power * log) / np.where(power == 0, 1, power))
        mean = np.divide(area, width, out=np.zeros_like(area), where=width > 0)
    return np.concatenate([core, width], axis=1), np.clip(mean, 0.0, top)


class SteppedDemand(DemandStrategy):
    """Bid shares of demand at given prices: stepped willingness to pay.

    Parameters
    ----------
    schedule : list of pairs, or dict of such lists
        Pairs of a share of the scenario's demand and the most that this share would pay in $/Mtok, in any order;
        None in place of the price stands for the value of lost service. One list for all classes, or by class; a
        class left out bids all at its value. Shares may add up to less or more than one.

    Raises
    ------
    ValueError
        If a share or price is negative or not finite, or a list is empty.

    Examples
    --------
    >>> half = SteppedDemand({"batch": [(0.5, None), (0.3, 1.2), (0.2, 0.6)]})
    >>> half.steps
    3

    References
    ----------
    F. C. Schweppe, M. C. Caramanis, R. D. Tabors and R. E. Bohn, Spot Pricing of Electricity (Kluwer, 1988).
    """

    def __init__(
        self,
        schedule: list[tuple[float, float | None]]
        | dict[str, list[tuple[float, float | None]]]
        | None = None,
    ) -> None:
        lists = schedule if isinstance(schedule, dict) else {} if schedule is None else {"": schedule}
        for name, pairs in lists.items():
            place = f"schedule[{name!r}]" if name else "schedule"
            if not pairs:
                raise ValueError(f"{place} has no steps")
            for share, price in pairs:
                for what, number in (("share", share), ("price", price)):
                    if number is not None and not (math.isfinite(number) and number >= 0):
                        raise ValueError(
                            f"{place}: a {what} must be finite and not negative; found {number!r}"
                        )
        self.schedule = schedule
        self.steps = max((len(pairs) for pairs in lists.values()), default=1)

    def bid(self, view: DemandView) -> Bid:
        """Bid the steps."""
        if self.schedule is None:
            return Bid(view.demand, view.value)
        everywhere = [] if isinstance(self.schedule, dict) else self.schedule
        named = self.schedule if isinstance(self.schedule, dict) else {}
        by_class(
            "schedule", dict.fromkeys(named, 0.0), view.workloads, 0.0
        )  # tells classes that there are not
        quantity = np.zeros((*view.demand.shape, self.steps))
        value = np.zeros_like(quantity)
        for column, label in enumerate(view.workloads):
            pairs = named.get(label, everywhere) or [(1.0, None)]
            for step, (share, price) in enumerate(pairs):
                quantity[:, column, step] = share * view.demand[:, column]
                value[:, column, step] = view.value[:, column] if price is None else price
        return Bid(quantity, value)
