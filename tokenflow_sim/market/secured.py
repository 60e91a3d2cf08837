"""Clearing a market whose schedule has to survive losses: rows are brought in until it does.

The market is cleared, losses are checked (`contingency.py`), those that take most first, and for a few that the
schedule does not survive rows are added, until it survives all: Benders decomposition. Prices are right-hand
derivatives, so that not only the schedule has to be secure but also that of the shifted program, from whose basis they
are read: what holds at the optimum with nothing to spare costs nothing yet, and something with one more unit. Each
market starts without rows, so that the outcome is a function of the market alone; what is kept between markets is the
solver of each set of rows, which does not change what is found.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from tokenflow_sim.errors import CertificateError, InfeasibleError
from tokenflow_sim.market.certificate import CERTIFIED, certify
from tokenflow_sim.market.clearing import Clearing
from tokenflow_sim.market.contingency import ContingencyProgram, Cut
from tokenflow_sim.market.limits import SharedCapacity, Term
from tokenflow_sim.market.losses import CUTS, Security
from tokenflow_sim.market.market import Market
from tokenflow_sim.market.security import published, without_security
from tokenflow_sim.numeric import Floats

# In the solver's units, in which a market's mean demand is 64: a shortage of a schedule, and of the shifted one, whose
# rows are shifted by up to 2e-6 and whose demands by 1e-4.
SECURE, SHIFTED_SECURE = 1e-8, 1e-5
_ROUNDS = 500
_AT_ONCE = 3  # rows brought in at once: most losses are survived once the worst are
_KEPT = 16  # solvers of sets of rows
_NOTHING = 1e-12  # of the largest price: a dual that is rounding
_MISSING = 1e-7  # of all demand
_LISTED = 5


class Solves(Protocol):
    """What clears markets of one structure without losses."""

    def clear(self, market: Market) -> Clearing:
        """Clear a market."""
        ...

    def shifted(self, market: Market) -> tuple[Floats, Floats] | None:
        """Return dispatch and flow of the shifted program of the last market, None where there is none."""
        ...


class SecuredClearer:
    """Clears markets that have to survive losses.

    Parameters
    ----------
    make : callable
        Makes what clears markets of the structure of the one that it is given.
    """

    def __init__(self, make: Callable[[Market], Solves]) -> None:
        self._make = make
        self._solvers: OrderedDict[tuple[bytes, ...], Solves] = OrderedDict()
        self._after: ContingencyProgram | None = None

    def clear(self, market: Market) -> Clearing:
        """Clear a market.

        Parameters
        ----------
        market : Market
            With `Arrays.security`.

        Returns
        -------
        Clearing
            Certified; its market has the losses as a group of limits, `security_limit`.

        Raises
        ------
        InfeasibleError
            If demand that must be served cannot be, or cannot be after a loss, which is named.
        CertificateError
            If it cannot be certified.
        """
        security = market.arrays.security
        assert security is not None  # the caller has looked
        plain = without_security(market)
        clearing, cuts = self._secure(plain, security)
        return _publish(plain, security, clearing, cuts)

    def _secure(self, plain: Market, security: Security) -> tuple[Clearing, list[Cut]]:
        cuts: list[Cut] = []
        for _ in range(_ROUNDS):
            solver = self._solver(plain, cuts)
            master = _with_cuts(plain, cuts)
            try:
                clearing = solver.clear(master)
            except InfeasibleError:
                if not cuts:
                    raise
                raise self._explained(plain, security, cuts) from None
            values = clearing.values
            known = {cut.key for cut in cuts}
            first = list(dict.fromkeys(cut.number for cut in reversed(cuts)))
            found = self._violated(plain, security, values.dispatch.sum(axis=2), values.flow, SECURE, first)
            new = [cut for cut in found if cut.key not in known]
            if not new and (shifted := solver.shifted(master)) is not None:
                found = self._violated(plain, security, *shifted, SHIFTED_SECURE, first)
                new = [cut for cut in found if cut.key not in known]
            if not new:
                return clearing, cuts
            cuts += new
        raise CertificateError(f"no schedule was found to be secure within {_ROUNDS} rounds")

    def _violated(
        self,
        plain: Market,
        security: Security,
        dispatch: Floats,
        flow: Floats,
        tolerance: float,
        first: Sequence[int],
    ) -> list[Cut]:
        if self._after is None or not self._after.serves(plain):
            self._after = ContingencyProgram(plain)
        return self._after.violated(plain, security, dispatch, flow, tolerance, first, _AT_ONCE)

    def _solver(self, plain: Market, cuts: Sequence[Cut]) -> Solves:
        key = tuple(cut.key for cut in cuts)
        solver = self._solvers.get(key)
        if solver is None:
            solver = self._solvers[key] = self._make(_with_cuts(plain, cuts))
            if len(self._solvers) > _KEPT:
                self._solvers.popitem(last=False)
        self._solvers.move_to_end(key)
        return solver

    def _explained(self, plain: Market, security: Security, cuts: Sequence[Cut]) -> InfeasibleError:
        """Return an error that names the losses that cannot be survived, each with the least that is missing."""
        must = plain.arrays.must_serve
        assert must is not None  # without such demand, serving nothing is secure
        arrays = plain.arrays.with_(
            offer_price=np.zeros_like(plain.arrays.offer_price),
            route_cost=np.zeros_like(plain.arrays.route_cost),
            link_curvature=np.zeros_like(plain.arrays.link_curvature),
            offer_slope=None,
            value_slope=None,
            value=np.where(must, 1.0, 0.0),
        )
        relaxed = Market.from_arrays(plain.layout, arrays, plain.hours, check=False)
        numbers = sorted({cut.number for cut in cuts})
        cases = [(security.labels[number], security.only(number)) for number in numbers]
        missing = {name: self._missing(relaxed, only) for name, only in cases}
        least = _MISSING * float(plain.arrays.demand.sum())
        short = {name: one for name, one in missing.items() if sum(one.values()) > least}
        if not short:  # each loss can be survived, but not all by one schedule
            short = {"any of " + ", ".join(missing): self._missing(relaxed, security)}
        worst = sorted(short, key=lambda name: -sum(short[name].values()))
        error = InfeasibleError(short[worst[0]])
        told = "; ".join(f"{name}: {sum(short[name].values()):.6g} Mtok/s" for name in worst[:_LISTED])
        more = f" and {len(worst) - _LISTED} more" if len(worst) > _LISTED else ""
        error.add_note(
            "  What must be served could be, but not after a loss. Least that is missing after the loss of"
            f" {told}{more}."
        )
        return error

    def _missing(self, relaxed: Market, security: Security) -> dict[tuple[object, object], float]:
        clearing, _ = SecuredClearer(self._make)._secure(relaxed, security)
        value = np.where(relaxed.arrays.value > 0, clearing.values.unserved, 0.0).sum(axis=2)
        layout = relaxed.layout
        return {
            (layout.nodes[n], layout.workloads[k]): float(value[n, k])
            for n, k in np.argwhere(value > 1e-9).tolist()
        }


def _with_cuts(plain: Market, cuts: Sequence[Cut]) -> Market:
    if not cuts:
        return plain
    terms: list[Term] = []
    for number, cut in enumerate(cuts):
        terms.append(Term("dispatch", cut.dispatch, np.full(len(cut.dispatch), number)))
        if cut.flow.any():
            terms.append(Term("flow", cut.flow, np.full(len(cut.flow), number)))
    rows = SharedCapacity(
        name=CUTS,
        rent=f"{CUTS}_rent",
        dim=CUTS,
        capacity=np.array([cut.right for cut in cuts]),
        terms=tuple(terms),
        labels=tuple(range(len(cuts))),
    )
    arrays = plain.arrays.with_(limits=(*plain.arrays.limits, rows))
    return Market.from_arrays(plain.layout, arrays, plain.hours, check=False)


def _publish(plain: Market, security: Security, clearing: Clearing, cuts: Sequence[Cut]) -> Clearing:
    """Return the clearing with one row for each loss in place of the rows that were brought in."""
    values, shape = clearing.values, plain.arrays.capacity.shape[:2]
    rents = dict(values.rents)
    duals = rents.pop(f"{CUTS}_rent", np.zeros(0))
    least = _NOTHING * max(1.0, float(np.abs(values.price).max(initial=0.0)))
    by_loss: dict[int, list[tuple[float, Cut]]] = {}
    for dual, cut in zip(duals.tolist(), cuts, strict=True):
        if dual > least:
            by_loss.setdefault(cut.number, []).append((dual, cut))
    rent, rows = np.zeros(len(security.labels)), {}
    for number, pairs in by_loss.items():
        whole = sum(dual * cut.node for dual, cut in pairs)
        rent[number] = total = float(np.max(whole))
        rows[number] = (
            sum((dual / total) * cut.dispatch for dual, cut in pairs),
            sum((dual / total) * cut.flow for dual, cut in pairs),
            sum((dual / total) * cut.right for dual, cut in pairs),
            sum((dual / total) * cut.held for dual, cut in pairs),
        )
    limit = published(security, (shape[0], shape[1]), rows)  # type: ignore[arg-type]
    arrays = plain.arrays.with_(limits=(*plain.arrays.limits, limit), security=security)
    market = Market.from_arrays(plain.layout, arrays, plain.hours, check=False)
    found = replace(values, rents=rents | {limit.rent: rent})
    certificate = certify(market.layout, arrays, found)
    if certificate.worst > CERTIFIED:
        raise CertificateError(
            f"the secure clearing of {market!r} is not optimal within {CERTIFIED:g}: {certificate}"
        )
    return Clearing(market, found, certificate)
