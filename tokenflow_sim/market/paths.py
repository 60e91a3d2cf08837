"""Clears markets with rules for whole paths: column generation over the paths of an expanded market.

The expanded market (`expansion`) has only the paths that are known. Its duals price all others by a search for the
cheapest ones that keep their rules; what would gain is added, until nothing would. The shifted program's only
optimal basis is then that of the program with all paths: prices and dispatch are functions of the market alone,
whichever paths are known, and known paths are kept for the markets to come.

References
----------
Ford and Fulkerson (1958), A suggested computation for maximal multi-commodity network flows. Desaulniers, Desrosiers
and Solomon (2005), Column Generation.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tokenflow_sim.errors import CertificateError, InfeasibleError
from tokenflow_sim.market.basis import MARGIN, TOLERANCE
from tokenflow_sim.market.certificate import Certificate, certify
from tokenflow_sim.market.engine import MANY_FLOWS, Engine
from tokenflow_sim.market.expansion import Expansion
from tokenflow_sim.market.highs import Solver, load_program
from tokenflow_sim.market.market import Market
from tokenflow_sim.market.path_limits import check_limits, open_arcs
from tokenflow_sim.market.path_master import KnownPaths, Master
from tokenflow_sim.market.path_pool import Paths
from tokenflow_sim.market.path_search import FoundPaths
from tokenflow_sim.market.path_values import expanded_values, values_on_paths
from tokenflow_sim.market.perturbation import COST_STEP, Scale
from tokenflow_sim.market.quadratic import linearised, solve_quadratic
from tokenflow_sim.market.values import Values, link_loads, values_of
from tokenflow_sim.numeric import Floats

# A proof that demand can take no more is one up to this.
_OF_RAY = 1e-7
# Share of the usual step of the generic numbers with which published prices are checked: enough to end the search.
_FAINT = 1e-3
_RAY_STEP = 1e-9
# A path is worth adding from this much below zero of its reduced cost on.
_WORTH = 1e-9
# How many paths of each origin and class are looked for at once.
_MOST = 4
_MOST_ROUNDS = 1000
# Paths whose reduced costs differ by no more, in the solver's units, cost the same; so many of them are known at most.
_TIE, _MOST_TIED = 1e-7, 64


class PathEngine:
    """Clears markets of one structure with rules for whole paths.

    Parameters
    ----------
    market : Market
        Any of them.

    Raises
    ------
    MarketError
        If a limit gives where something flows, or is an equality on flow: the cheapest path could then go in circles.
    """

    def __init__(self, market: Market) -> None:
        self.expansion = Expansion(market)
        self._known: KnownPaths | None = None
        check_limits(market)

    def serves(self, market: Market) -> bool:
        """Whether a market has this structure."""
        return self.expansion.fits(market)

    def clear(self, market: Market, *, cold: bool = False) -> tuple[Values, Certificate]:
        """Clear a market.

        Parameters
        ----------
        market : Market
            A market of this structure.
        cold : bool
            Whether to accept an optimum that may not be the shifted program's only one.

        Returns
        -------
        values : Values
            Its clearing, with the paths in use.
        certificate : Certificate
            Its residuals; that of the duals counts all paths.

        Raises
        ------
        InfeasibleError
            If demand that must be served cannot be.
        CertificateError
            If HiGHS finds no optimum.
        """
        check_limits(market)
        self._check_reach(market)
        expanded = self._expanded(market)
        for _ in range(_MOST_ROUNDS):
            known = self._now
            try:
                values = self._solved(expanded)
            except InfeasibleError as error:
                if not self._generate(market):
                    raise self._named(error) from None
            else:
                found, least = self._missing(market, expanded, values)
                if found is None:
                    if known.engine.is_unique or cold:
                        return self._published(market, values, least)
                    # What was reached depends on what is known; so it is made anew from what the market alone says.
                    self._known = None
                    return self.clear(market, cold=True)
                self._generate(market, found)
            expanded = self._expanded(market)
        raise CertificateError(f"no end of paths worth adding; {len(self._now.paths)} are known")

    @property
    def _now(self) -> KnownPaths:
        assert self._known is not None
        return self._known

    def forget(self) -> None:
        """Drop all paths that are known."""
        self._known = None

    def _expanded(self, market: Market) -> Market:
        """Return the expanded market with the paths known, whose engine is built where there is none."""
        if self._known is None:
            self._know(market, self.expansion.seed())
            self._generate(market)
        known = self._now
        expanded = self._with(market, known)
        if not known.engine.program.serves(expanded):
            self._know(market, known.paths)
            expanded = self._with(market, self._now)
        return expanded

    def _with(self, market: Market, known: KnownPaths) -> Market:
        return self.expansion.market(market, known.paths, known.layout, known.numbers)

    def _know(self, market: Market, paths: Paths) -> None:
        expansion = self.expansion
        layout, numbers = expansion.layout_with(paths), paths.generic_numbers(expansion.classes)
        expanded = expansion.market(market, paths, layout, numbers)
        engine = Engine(expanded, lazy=expansion.arc.size >= MANY_FLOWS)
        self._known = KnownPaths(
            paths, numbers, layout, engine, expansion.flow_rows(engine.program, market.arrays)
        )

    def _solved(self, expanded: Market) -> Values:
        engine = self._now.engine
        if expanded.is_quadratic:
            return solve_quadratic(engine, expanded)
        return values_of(engine.program, expanded.arrays, engine.solve(expanded.arrays))

    def _missing(self, market: Market, expanded: Market, values: Values) -> tuple[Paths | None, float]:
        """Return paths that what was solved lacks, and what the best of all would gain at its prices, at most zero.

        It lacks paths that would gain, or that a proof of it left out.
        """
        engine, found = self._now.engine, []
        costs, scale = (
            self._costs(market, expanded, values),
            Scale.of(expanded.arrays, engine.program.done_in(expanded.arrays)),
        )
        for share, duals in engine.shown:
            found.append(self._priced(costs / scale.price, duals, MARGIN, share * COST_STEP).paths)
        if engine.ray is not None and (engine.ray[engine.program.equations] > _OF_RAY).any():
            nothing = np.where(np.isfinite(costs), 0.0, costs)
            found.append(self._priced(nothing, engine.ray, -_OF_RAY, _RAY_STEP).paths)
        published = self._at_prices(market, expanded, values)
        found.append(published.paths)
        if (values.unserved > 0).any():
            # Which of several paths of equal cost serve most, and share what is short, is asked of all of them.
            found.append(self._at_prices(market, expanded, values, _TIE).paths)
        return self._unknown(found), min(published.least, 0.0)

    def _unknown(self, found: list[Paths | None]) -> Paths | None:
        """Return those of some paths that are not known yet."""
        known, added = self._now.paths, None
        for paths in found:
            if paths is not None:
                added = paths if added is None else added.joined(paths)
        if added is None:
            return None
        return added.without(known)

    def _costs(self, market: Market, expanded: Market, values: Values | None) -> Floats:
        """Return what a unit on every arc costs in $/Mtok, dims (arc, workload); infinite where it may not be used.

        Links whose charge grows with their load count with the charge at that of the values.
        """
        arrays = market.arrays
        if values is not None and expanded.is_quadratic:
            arrays = linearised(arrays, link_loads(expanded.arrays, values.flow))
        return np.where(open_arcs(market.arrays), arrays.route_cost, np.inf)

    def _priced(
        self, costs: Floats, duals: Floats, cutoff: float, step: float, most: int = _MOST
    ) -> FoundPaths:
        """Search for paths at the duals of a program, all in the solver's units."""
        known, cells = self._now, self.expansion.cells
        weight = costs + np.maximum(-(known.flow_rows @ duals), 0.0).reshape(costs.shape)
        return self.expansion.search.search(
            weight, duals[cells.home], duals[cells.server], cutoff, step=step, most=most
        )

    def _at_prices(self, market: Market, expanded: Market, values: Values, tied: float = 0.0) -> FoundPaths:
        """Search for paths that would gain at what is published, in $/Mtok, or as many as cost the same."""
        done, cells = self._now.engine.program.done_in(expanded.arrays), self.expansion.cells
        scale = Scale.of(expanded.arrays, done)
        charges = {"flow": np.where(open_arcs(market.arrays), market.arrays.route_cost, np.inf)}
        for limit in market.arrays.every_limit:
            limit.add_charges(values.rents[limit.rent], charges)
        weight = charges["flow"]
        price = values.price[:, 0]
        return self.expansion.search.search(
            weight,
            price[cells.home],
            price[cells.server],
            (tied or -TOLERANCE) * scale.price,
            step=_FAINT * COST_STEP * scale.price,
            most=_MOST_TIED if tied else _MOST,
            tied=tied * scale.price,
        )

    def _generate(self, market: Market, first: Paths | None = None) -> bool:
        """Add paths until none gains in the shifted program that asks for one more unit everywhere.

        Parameters
        ----------
        market : Market
            The market.
        first : Paths, optional
            Paths that are to be added in any case.

        Returns
        -------
        bool
            Whether any was.
        """
        known = self._now
        expanded, engine = self._with(market, known), known.engine
        data = engine.scaled(expanded.arrays)
        numbers = engine.perturbed(data, np.zeros(engine.program.equations.stop, dtype=np.bool_), False)
        solver = engine.solver if isinstance(engine.solver, Solver) else Solver(engine.program.matrix)
        load_program(solver, numbers)
        solver.run()
        costs = self._costs(market, expanded, None) / data.scale.price
        master = Master(self.expansion, known, solver, costs)
        if first is not None:
            master.add(first)
        for _ in range(_MOST_ROUNDS):
            found = self._priced(costs, master.duals(), -_WORTH, COST_STEP)
            new = None if found.paths is None else found.paths.without(known.paths)
            if new is None or not master.add(new):
                break
        if not master.added:
            return False
        paths, basis = master.end()
        self._know(market, paths)
        self._now.engine.solver.start_from(*basis)
        return True

    def _published(self, market: Market, values: Values, least: float) -> tuple[Values, Certificate]:
        """Return the market's own numbers, with their certificate."""
        known, expansion = self._now, self.expansion
        flows = known.engine.program.f
        first = flows.stop - len(known.paths)
        basic = known.engine.basic
        basic = basic[(basic >= first) & (basic < flows.stop)] - first
        kept = np.union1d(basic, np.flatnonzero(values.flow[expansion.arc.size :, 0] > 0))
        outcome = values_on_paths(expansion, market, known.paths, values, kept)
        return outcome, self._certified(market, outcome, least)

    def _certified(self, market: Market, values: Values, least: float) -> Certificate:
        """Certify a clearing by its paths, and by the search that found no better one."""
        assert values.along is not None
        paths = values.along.paths
        alone = self.expansion.market(market, paths, self.expansion.layout_with(paths), np.zeros(len(paths)))
        found = certify(alone.layout, alone.arrays, expanded_values(self.expansion, values))
        level = max(float(np.abs(values.price).max(initial=0.0)), _size_of(market.arrays.offer_price)) or 1.0
        return replace(found, dual=max(found.dual, -least / level))

    def _check_reach(self, market: Market) -> None:
        """Refuse demand that must be served where no node that may serve it can be reached within its limit."""
        must = market.arrays.must_serve
        if must is None:
            return
        lost = np.where(must, market.arrays.demand, 0.0).sum(axis=2)
        lost[self.expansion.reachable] = 0.0
        spots = np.argwhere(lost > 0)
        if spots.size:
            error = InfeasibleError({self._labels(n, k): float(lost[n, k]) for n, k in spots})
            for n, k in spots:
                error.add_note(f"  {self.expansion.why_unreachable(n, k)}")
            raise error

    def _labels(self, node: int, workload: int) -> tuple[object, object]:
        layout = self.expansion.layout
        return layout.nodes[node], layout.workloads[workload]

    def _named(self, error: InfeasibleError) -> InfeasibleError:
        """Return an error on the expanded market's nodes as one on the market's own."""
        place = {int(cell): spot for spot, cell in np.ndenumerate(self.expansion.cells.home)}
        missing: dict[tuple[object, object], float] = {}
        for (cell, _), amount in error.shortfall.items():
            spot = place.get(int(cell))
            if spot is not None:
                labels = self._labels(*spot)
                missing[labels] = missing.get(labels, 0.0) + amount
        return InfeasibleError(missing)


def _size_of(values: Floats) -> float:
    return float(np.abs(values).max(initial=0.0))
