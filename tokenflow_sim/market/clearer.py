"""Clearing a market: `clear` once, or a `Clearer` that is built once and clears market after market."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property, partial

import numpy as np

from tokenflow_sim.errors import CertificateError, Fault, InfeasibleError, MarketError
from tokenflow_sim.market.blas import one_thread
from tokenflow_sim.market.carbon_least import find_cap_error
from tokenflow_sim.market.certificate import CERTIFIED, certify, spans
from tokenflow_sim.market.clearing import Clearing, require_market
from tokenflow_sim.market.engine import Engine
from tokenflow_sim.market.factorization import BasisFactorization
from tokenflow_sim.market.market import Market
from tokenflow_sim.market.merit_clearing import MeritClearer
from tokenflow_sim.market.path_limits import takes_paths
from tokenflow_sim.market.paths import PathEngine
from tokenflow_sim.market.quadratic import LastOptimum, solve_quadratic
from tokenflow_sim.market.reserve_shortage import reserve_note
from tokenflow_sim.market.secured import SecuredClearer
from tokenflow_sim.market.values import Values, total_cost, values_of
from tokenflow_sim.numeric import Floats
from tokenflow_sim.variables import MARKET


def _by_interior_point(engine: Engine, market: Market) -> Engine:
    fresh = Engine(market, lazy=False)
    fresh.solver.highs.setOptionValue("solver", "ipx")  # with crossover, so that it, too, ends in a basis
    return fresh


# A clearing that cannot be certified is tried again from nothing (no basis, no factorisation, no scaling is kept),
# then by another algorithm.
FALLBACKS: tuple[tuple[str, Callable[[Engine, Market], Engine]], ...] = (
    ("hot simplex", lambda engine, market: engine),
    ("cold simplex", lambda engine, market: Engine(market)),
    ("interior point with crossover", _by_interior_point),
)
# Where numbers lie far apart: in finer units, then each class separately.
_FINER = 2.0**18
FAR_APART_FALLBACKS: tuple[tuple[str, Callable[[Engine, Market], Engine]], ...] = (
    ("cold simplex in finer units", lambda engine, market: Engine(market, size=_FINER)),
    ("each class separately", lambda engine, market: Engine(market)),
)


def _describe_spans(apart: dict[str, tuple[float, float]]) -> str:
    if not apart:
        return ""
    listed = ", ".join(
        f"{name} from {low:g} to {high:g} {MARKET[name].unit_for() if name in MARKET else ''}".rstrip()
        for name, (low, high) in apart.items()
    )
    return f"Its numbers span {listed}: check their units, or leave out what is too small to matter. "


class Clearer:
    """Clears one market after another, building the solver's model once and then only moving numbers.

    A market of another structure (labels, incidence) rebuilds it automatically; other coefficients (link use, power
    use, what limits are used by) move like all numbers.

    Parameters
    ----------
    market : Market
        Any market of the structure to come; it is not cleared.

    Raises
    ------
    MarketError
        If it is no Market.

    Notes
    -----
    Prices and dispatch are functions of the Market alone, never of what was cleared before; see
    docs/explanation/prices.md.
    """

    def __init__(self, market: Market, *, lazy: bool | None = None) -> None:
        require_market(market)
        self._lazy = lazy
        self._paths: PathEngine | None = None
        self._merit: MeritClearer | None = None
        # Whether the last market was cleared by merit order, and no solver has seen it.
        self._by_merit = False
        self._last = LastOptimum()
        # Where demand takes paths, this one is not used.
        self._engine = Engine(market, lazy=True if takes_paths(market) else lazy)

    @cached_property
    def _secured(self) -> SecuredClearer:
        # The labelled program is that of the market without rows for losses, whose coefficients come and go.
        return SecuredClearer(partial(Clearer, lazy=True))

    def last_basis(self) -> BasisFactorization | None:
        """Return the remembered basis that a market ended in last, to be read and not changed; None without any."""
        return self._engine.bases.last

    def shifted(self, market: Market) -> tuple[Floats, Floats] | None:
        """Return dispatch and flow of the shifted program of the market that was cleared last.

        Parameters
        ----------
        market : Market
            That market.

        Returns
        -------
        tuple of ndarray or None
            In Mtok/s, dims (asset, workload) and (arc, workload); None where its numbers do not come from one program.
        """
        if market.is_quadratic:
            return None
        if self._by_merit:
            self._turn_to(market).solve(market.arrays)
        engine, program = self._engine, self._engine.program
        values = engine.shifted_values * engine.scaled(market.arrays).scale.quantity
        asked = values[program.x].sum() + values[program.y].sum() + values[program.v].sum()
        if not asked > 0:
            return None
        # What the solver was given last may have been magnified, by a power of two.
        values /= 2.0 ** np.round(np.log2(asked / market.arrays.demand.sum()))
        dispatch = values[program.x].reshape(program.offers_shape).sum(axis=2)
        return dispatch, values[program.f].reshape(program.flow_shape)

    def clear(self, market: Market) -> Clearing:
        """Clear a market.

        Parameters
        ----------
        market : Market
            The market.

        Returns
        -------
        Clearing
            Certified: every residual is at most 1e-7.

        Raises
        ------
        MarketError
            If it is no Market.
        InfeasibleError
            If demand that must be served cannot be; it names the classes, the nodes and the amounts. A
            `CarbonCapError`, with the least that can be emitted, where it could be without a cap on emissions.
        CertificateError
            If no method reaches an optimum that can be certified.
        """
        require_market(market)
        found = self._clear_by_merit(market)
        self._by_merit = found is not None
        if found is not None:
            return found
        if market.arrays.is_sloped:
            _refuse_slopes(market)
        if market.arrays.security is not None:
            if takes_paths(market):
                raise MarketError([Fault("is not cleared with rules for whole paths", "security")], "market")
            with one_thread():
                return self._secured.clear(market)
        with one_thread():
            try:
                return self._clear(market)
            except InfeasibleError as error:

                def other(market: Market) -> Clearing:
                    return Clearer(market)._clear(market)

                if (capped := find_cap_error(market, other)) is not None:
                    raise capped from None
                if note := reserve_note(market, other):
                    error.add_note(f"  {note}")
                raise

    def _clear(self, market: Market) -> Clearing:
        if takes_paths(market):
            return self._clear_along_paths(market)
        self._turn_to(market)
        reasons: list[str] = []
        for how, prepare in self._fallbacks(market):
            engine = self._engine = prepare(self._engine, market)
            alone = how == FAR_APART_FALLBACKS[-1][0]
            try:
                clearing = self._attempt(engine, market, by_class=alone)
            except CertificateError as error:
                reasons.append(f"{how}: {error}")
                self._last = LastOptimum()
                continue
            finally:
                if engine.size != 1.0:  # also where it cannot be served, later markets are measured as usual
                    self._engine = Engine(market)
            if clearing.certificate.worst <= CERTIFIED:
                return clearing
            reasons.append(f"{how}: {clearing.certificate}")
            self._last = LastOptimum()
        self._engine = Engine(market)
        raise _uncertified(market, reasons)

    def _turn_to(self, market: Market) -> Engine:
        """Return the engine, made anew if it cannot take up the market's structure."""
        if not self._engine.turn_to(market):
            self._engine = Engine(market, lazy=self._lazy)
        return self._engine

    def _clear_by_merit(self, market: Market) -> Clearing | None:
        """Clear a market whose nodes and classes are separate; None where it is another, or not certain."""
        if not MeritClearer.applies(market):
            return None
        if self._merit is None or not self._merit.serves(market):
            self._merit = MeritClearer(market)
        found = self._merit.clear(market.arrays)
        return None if found is None else Clearing(market, *found)

    def _clear_along_paths(self, market: Market) -> Clearing:
        if self._paths is None or not self._paths.serves(market):
            self._paths = PathEngine(market)
        reasons: list[str] = []
        for how in ("known paths", "paths found anew"):
            try:
                values, certificate = self._paths.clear(market)
            except CertificateError as error:
                reasons.append(f"{how}: {error}")
            else:
                if certificate.worst <= CERTIFIED:
                    return Clearing(market, values, certificate)
                reasons.append(f"{how}: {certificate}")
            self._paths = PathEngine(market)
        raise _uncertified(market, reasons)

    @staticmethod
    def _fallbacks(market: Market) -> Iterator[tuple[str, Callable[[Engine, Market], Engine]]]:
        yield from FALLBACKS
        if not market.is_quadratic and spans(market.arrays):
            # What classes share with activities cannot be taken apart.
            yield from FAR_APART_FALLBACKS[: 1 if market.arrays.activities else None]

    def _attempt(self, engine: Engine, market: Market, by_class: bool = False) -> Clearing:
        if market.is_quadratic:
            values = solve_quadratic(engine, market, self._last)
        elif by_class:
            values = _clear_by_class(engine, market)
        else:
            values = values_of(engine.program, market.arrays, engine.solve(market.arrays))
        return Clearing(market, values, certify(market.layout, market.arrays, values))


def _refuse_slopes(market: Market) -> None:
    """Refuse slopes beside what is cleared by a program of its own, which knows of none."""
    beside = {"security": market.arrays.security is not None, "routing": takes_paths(market)}
    slopes = [name for name in ("offer_slope", "value_slope") if getattr(market.arrays, name) is not None]
    if any(beside.values()):
        names = " and ".join(name for name, there in beside.items() if there)
        rule = f"is not cleared together with {names}: take steps in place of slopes"
        raise MarketError([Fault(rule, name) for name in slopes], "market")


def _uncertified(market: Market, reasons: list[str]) -> CertificateError:
    return CertificateError(
        f"no clearing of {market!r} is optimal within {CERTIFIED:g}. {_describe_spans(spans(market.arrays))}"
        "What was tried:\n  - " + "\n  - ".join(reasons)
    )


def _clear_by_class(engine: Engine, market: Market) -> Values:
    """Clear each class as if the others were not there, where their sizes lie so far apart that no solver sees all.

    Where classes share no full link and no power that binds, a market is the sum of one market a class, each of which
    is measured by its own numbers. Whether it is, the certificate of the whole decides.
    """
    arrays, found = market.arrays, []
    for position in range(len(market.layout.workloads)):
        only = np.zeros(len(market.layout.workloads), dtype=np.bool_)
        only[position] = True
        column = only[None, :, None]
        alone = arrays.with_(
            offer_price=np.where(column, arrays.offer_price, 0.0),
            capacity=np.where(column, arrays.capacity, 0.0),
            demand=np.where(column, arrays.demand, 0.0),
        )
        found.append(values_of(engine.program, alone, engine.solve(alone)))

    def own(name: str) -> Floats:
        return np.stack([getattr(values, name)[:, k] for k, values in enumerate(found)], axis=1)

    dispatch, flow, unserved = own("dispatch"), own("flow"), own("unserved")
    names = found[0].supplied
    supplied = {name: np.add.reduce([values.supplied[name] for values in found]) for name in names}
    return Values(
        price=own("price"),
        dispatch=dispatch,
        flow=flow,
        unserved=unserved,
        scarcity_rent=own("scarcity_rent"),
        rents={name: np.maximum.reduce([values.rents[name] for values in found]) for name in found[0].rents},
        supplied=supplied,
        cost=total_cost(arrays, dispatch, flow, unserved, supplied),
    )


def clear(market: Market) -> Clearing:
    """Clear one market: the linear program of equations (1) and (10), its duals and their certificate.

    Parameters
    ----------
    market : Market
        The market.

    Returns
    -------
    Clearing
        Prices, dispatch, flows, unserved demand and rents.

    Raises
    ------
    MarketError
        If it is no Market.
    InfeasibleError
        If demand that must be served cannot be; it names the classes, the nodes and the amounts.
    CertificateError
        If no method reaches an optimum that can be certified.

    Examples
    --------
    >>> import tokenflow_sim as tf
    >>> clearing = tf.clear(tf.load_scenario("us5").market())
    >>> round(clearing.total_cost)
    123635
    """
    return Clearer(market).clear(market)
