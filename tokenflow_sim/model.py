"""The model: agents, a clearing house, and the loop over periods."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Self

import mesa
import xarray as xr

from tokenflow_sim.agents import ClearingHouse, RunInfo
from tokenflow_sim.agents.agent_classes import AgentClass, choose_classes
from tokenflow_sim.agents.clearing_house import WEEK
from tokenflow_sim.agents.environment import Environment
from tokenflow_sim.agents.participants_of import participants_of
from tokenflow_sim.agents.provenance import attributes_of_choices
from tokenflow_sim.agents.scalars import chosen, scalars_of
from tokenflow_sim.agents.steps import only_steps_are_due, play_on
from tokenflow_sim.agents.streams import RandomLike, seed_of
from tokenflow_sim.errors import ResultError
from tokenflow_sim.market import Clearer, Clearing
from tokenflow_sim.market.blas import one_thread
from tokenflow_sim.pickling import Portable
from tokenflow_sim.results import Ledger, Plan, attributes
from tokenflow_sim.results.arguments import arguments_of
from tokenflow_sim.results.names import names_of
from tokenflow_sim.scenario import Scenario, load_scenario
from tokenflow_sim.scenario.expectation import reference_price
from tokenflow_sim.scenario.override import changes_of
from tokenflow_sim.scenario.state import State
from tokenflow_sim.strategies.assignment import (
    Choice,
    LimitChoice,
    assign_with_limits,
    find_faults,
    find_limits,
    slopes_recorded,
    specs,
    with_blocks,
)
from tokenflow_sim.strategies.base import Kind, View
from tokenflow_sim.strategies.code import compare
from tokenflow_sim.strategies.demand import DemandView
from tokenflow_sim.strategies.network import NetworkView

KINDS: tuple[Kind, ...] = ("provider", "owner", "region")


class TokenMarket(Portable, mesa.Model):
    """A simulated market: each period agents submit, the clearing house clears and settles, agents adapt.

    Parameters
    ----------
    scenario : str, Path or Scenario
        Name of a bundled scenario, a folder or file, or a scenario.
    rng : int, str, sequence of int, Generator, SeedSequence or None
        Seed; a fresh one is drawn for None and recorded. Every agent has its own stream, keyed by its name.
    periods : int, optional
        Number of periods, in place of the scenario's.
    overrides : mapping, optional
        Other values for the scenario, by dotted path, e.g. ``{"demand.scale": 30}``.
    strategies : mapping, optional
        Other strategies than the scenario's, by the agent's name, or by ``providers``, ``owners`` or ``regions`` for
        all of a kind: a name, a mapping of name and parameters, a class, or an object (which is copied).
    agents : mapping, optional
        Other classes of agents than the package's, by the same keys: subclasses of `ComputeProvider`,
        `NetworkOwner` or `DemandRegion` (of ``tokenflow_sim.agents``), or partials of them.
    limits : iterable, optional
        Further constraints beside the scenario's: `tf.Limit` objects, classes, or, where code is allowed, specs.
    out : str or Path, optional
        A NetCDF file to stream results to, so that memory does not grow with the periods. It appears when the
        last period is done, or with `close`.
    force : bool
        Whether `out` may be replaced where it exists.
    record : iterable of str, optional
        The variables to record, of those in `variables.RESULTS`; all if left out.
    collect : iterable of str, optional
        The scalars that the DataCollector keeps, of those below; all if left out. None (``()``) saves time.
    history : int
        How many past periods' prices the agents see.
    clearer : Clearer, optional
        One to clear with, e.g. ``other.clearing_house.clearer`` of a model of the same scenario, which saves
        building it; results do not depend on it. It must not be in use in another thread.
    allow_code : bool
        Whether strategies and limits given as ``module:Class`` may be imported.
    **values
        More overrides, for callers that pass keywords only, such as ``mesa.batch_run`` with a parameter
        ``"demand.scale"``.

    Attributes
    ----------
    settings : Scenario
        The scenario that is played, overrides applied.
    seed : int
        The seed; given as `rng`, it repeats the run.
    period : int
        Periods played so far, which is the number of the next one.
    clearing : Clearing or None
        The last clearing.
    providers, owners, regions : dict
        The agents by name.
    datacollector : mesa.DataCollector
        Scalars of every period: ``mean_price_<workload>`` in $/Mtok (what was paid for a Mtok: the mean over nodes,
        weighted by what was served; NaN where nothing was), ``unserved`` in Mtok/s, ``welfare`` and ``total_cost`` in
        $ a period.

    Raises
    ------
    ScenarioError
        If the scenario, an override or a strategy has faults; all are listed.
    InputError
        If the seed, `record` or `collect` cannot be read, or `agents` names what is no agent or no class of its kind.
    ResultError
        If `out` exists already and `force` is false.

    Examples
    --------
    >>> model = TokenMarket("us5", rng=1, periods=24)
    >>> model.run()
    >>> model.results().price.dims
    ('period', 'node', 'workload')
    """

    def __init__(
        self,
        scenario: str | Path | Scenario = "us20_oligopoly",
        *,
        rng: RandomLike = None,
        periods: int | None = None,
        overrides: Mapping[str, Any] | None = None,
        strategies: Mapping[str, Choice] | None = None,
        agents: Mapping[str, AgentClass] | None = None,
        limits: Iterable[LimitChoice] = (),
        out: str | Path | None = None,
        force: bool = False,
        record: Iterable[str] | None = None,
        collect: Iterable[str] | None = None,
        history: int = WEEK,
        clearer: Clearer | None = None,
        allow_code: bool = False,
        **values: Any,
    ) -> None:
        seed = seed_of(rng)
        super().__init__(rng=seed)
        self.seed = seed
        changes = {**changes_of(overrides), **values}
        if periods is not None:
            changes["periods"] = periods
        self.settings = load_scenario(scenario, changes, also=partial(find_faults, allow_code=allow_code))
        compiled = self.settings.compiled
        self.periods, self.hours = compiled.periods, compiled.hours
        made, own = assign_with_limits(self.settings, strategies, allow_code=allow_code)
        classes = choose_classes(specs(compiled), agents)
        layout = with_blocks(compiled.layout, made)
        given = find_limits(limits, allow_code=allow_code)
        own += given
        self._environment = Environment(compiled, seed, own)
        reference = partial(reference_price, compiled)
        rules = compiled.scenario.rules
        run = RunInfo(
            layout, self.periods, self.hours, seed, compiled.transfer, reference, compiled.contracts, rules.mitigation
        )  # fmt: skip
        self.providers, self.owners, self.regions = participants_of(self, compiled, made, classes, run)
        self.clearing_house = ClearingHouse(
            self, run, list(self.providers.values()), list(self.owners.values()), list(self.regions.values()),
            history, clearer, rules.publish_offers,
        )  # fmt: skip
        attrs = attributes(self.settings, seed, layout.link_unit)
        attrs |= attributes_of_choices(
            strategies, agents, given, [type(self), *made.values(), agents or {}, own]
        )
        waits = any(getattr(strategy, "keeps_backlog", False) for strategy in made["region"].values())
        asks = any(getattr(strategy, "uses_reference_price", False) for strategy in made["region"].values())
        shown, further = reference() if asks else None, self._environment.limits()
        plan = Plan(
            layout, compiled.providers, compiled.owners, attrs, names_of(record),
            has_backlog=waits, reference_price=shown, limits=further, times=self.settings.times,
            carbon=compiled.carbon.recorded, has_outages=compiled.has_outages, grid=compiled.grid,
            delivery=compiled.path_rules.delivery, has_budget=compiled.pricing is not None,
            contracts=compiled.contracts, mitigates=bool(rules.mitigation), slopes=slopes_recorded(made),
        )  # fmt: skip
        self.ledger = Ledger(plan, out, force)
        self.period = 0
        scalars = scalars_of(layout, has_emissions="emissions" in compiled.carbon.recorded)
        self.datacollector = mesa.DataCollector(chosen(scalars, collect))

    @property
    def scenario(self) -> None:
        """Always None; the scenario that is played is `settings`.

        Mesa's page takes a model that has a `scenario` for one with a scenario of Mesa's own class, and on reset
        would put one of those in the place of ours.
        """
        return None

    @scenario.setter
    def scenario(self, value: object) -> None:
        """Ignore the scenario that Mesa makes."""

    @property
    def clearing(self) -> Clearing | None:
        """The last clearing, None before the first."""
        return self.clearing_house.clearing

    @property
    def upcoming(self) -> State:
        """Everything exogenous of the next period; what is drawn for it here is what will be played."""
        return self._environment.foresee(self.period, self.clearing_house.bus_price)

    def view(self, name: str) -> View | NetworkView | DemandView:
        """Return what a provider, an owner or a region will see before it submits for the next period.

        Raises
        ------
        InputError
            If nobody has that name.
        """
        return self.clearing_house.view(name, self.period, self.upcoming)

    def step(self) -> None:
        """Play one period; does nothing once the last one is played.

        Where it raises, the periods before stay: `results` returns them, what was streamed to a file ``run.nc``
        stands in ``run.partial.nc``, and a note of the exception says so.

        Raises
        ------
        StrategyError
            If a strategy submits what the market cannot take.
        InfeasibleError
            If demand that must be served cannot be.
        CertificateError
            If a clearing cannot be certified.
        ResultError
            If results are streamed to a file that cannot be written.
        """
        if self.period >= self.periods:
            self.running = False
            return
        try:
            self._run_periods()
            if self.period == self.periods:
                self.running = False
                self.ledger.close()
        except BaseException as error:
            # Also when interrupted: what is finished stays, under a name that says that it is not all.
            if kept := self.ledger.abort(self.periods, can_wait=not isinstance(error, Exception)):
                error.add_note(kept)
            raise

    def _run_periods(self) -> None:
        house, period = self.clearing_house, self.period
        state = self._environment.state(period, house.bus_price)
        result = house.clear(period, state, house.collect(period, state))
        house.send_receipts(result)
        self._environment.learn(state, result)
        # Work that waits is the regions' own, and may differ where all else comes again.
        waiting = self.ledger.plan.backlog
        kept = result.kept if result.came_again and not waiting else None
        if kept is None or not self.ledger.append_again(kept):
            record = {name: result.recorded(name) for name in self.ledger.asked}
            record |= house.waiting(waiting) if waiting else {}
            true_cost = result.true_cost, result.running_cost, result.carbon_cost
            self.ledger.append(record, result.arrays, result.values, true_cost, kept)
        self.period = period + 1
        self.activate()
        self.datacollector.collect(self)

    def activate(self) -> None:
        """Call `step` of every agent, once a period, when it is settled and all have learned.

        The participants do nothing then; a user's Mesa agent does what it likes. Override it for another
        order, e.g. ``self.agents.shuffle_do("step")``.
        """
        self.agents.do("step")

    def run(self, progress: Callable[[int, int], object] | None = None) -> None:
        """Play all periods that are left.

        Parameters
        ----------
        progress : callable, optional
            Called after each period with the number of periods played and of all.

        Raises
        ------
        StrategyError, InfeasibleError, CertificateError, ResultError
            As `step` does.
        """
        with one_thread():  # once for all periods: entering it for each would cost more than it does
            while self.running:
                if progress is None and only_steps_are_due(self):
                    play_on(self)
                    continue
                self.step()
                if progress is not None:
                    progress(self.period, self.periods)

    run_model = run

    def results(self) -> xr.Dataset:
        """Return what happened so far.

        Returns
        -------
        Dataset
            Every variable of `variables.RESULTS` that was recorded, with its unit; money is $ a period. The
            attributes say how to make it again: `scenario` (its text), `seed`, `strategies`, versions, and `code`,
            the SHA-256 of the source of every module that is not built in. In memory, unless it was streamed to a
            file that is complete: then lazy.

        Raises
        ------
        ResultError
            If no period was played yet.
        """
        return self.ledger.dataset()

    def close(self) -> None:
        """End the run before its last period: a file that results are streamed to appears as far as it got."""
        self.running = False
        self.ledger.close()

    @classmethod
    def from_results(cls, results: xr.Dataset, **changes: Any) -> Self:
        """Make the model that made some results: same scenario, seed and strategies.

        Where the code of a strategy of a user's own has changed since, it warns.

        Parameters
        ----------
        results : Dataset
            What `results` or `load_results` returned.
        **changes
            Other arguments of the model, e.g. ``rng`` for another seed, or ``allow_code``.

        Raises
        ------
        ResultError
            If the results do not say how they were made.
        ScenarioError
            As the constructor does.
        """
        given = arguments_of(results, agents="agents" in changes, limits="limits" in changes)
        made = cls(**given | changes)
        if "strategies" not in changes and "agents" not in changes:
            now = made.ledger.plan.attrs.get("code")
            if changed := compare(results.attrs.get("code"), now, "these results"):
                warnings.warn(f"these results were made by other code: {changed}", UserWarning, stacklevel=2)
        return made

    def get_state(self) -> dict[str, Any]:
        """Return where the run stands, results and the DataCollector's frames aside; it can be pickled.

        A model made with the same arguments goes on from there after `set_state`, to the same bits.
        """
        return {
            "seed": self.seed,
            "period": self.period,
            "environment": self._environment.get_state(),
            "clearing_house": self.clearing_house.get_state(),
            "agents": {
                kind: {name: agent.get_state() for name, agent in self._of(kind).items()} for kind in KINDS
            },
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go to where the run stood when `get_state` was called; results start from there.

        Raises
        ------
        ResultError
            If the state is of a run with another seed or other agents, or this one has begun already.
        """
        names = {kind: list(agents) for kind, agents in state["agents"].items()}
        if state["seed"] != self.seed or names != {kind: list(self._of(kind)) for kind in KINDS}:
            raise ResultError("this state belongs to a run with another seed or other agents")
        self.ledger.begin(state["period"])
        self._environment.set_state(state["environment"])
        self.clearing_house.set_state(state["clearing_house"])
        for kind, agents in state["agents"].items():
            for name, saved in agents.items():
                self._of(kind)[name].set_state(saved)
        self.period = state["period"]
        self.running = self.period < self.periods

    def _members(self) -> dict[str, object]:
        own = {
            f"{kind}s.{name}.strategy": agent.strategy
            for kind in KINDS
            for name, agent in self._of(kind).items()
        }
        others = {f"agents[{agent.unique_id}]": vars(agent) for agent in self.agents}
        return own | others | {f"model.{name}": value for name, value in vars(self).items()}

    def _of(self, kind: Kind) -> Mapping[str, Any]:
        return dict(getattr(self, f"{kind}s"))
