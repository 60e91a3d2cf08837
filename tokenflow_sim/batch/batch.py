"""A batch: the markets of one scenario at many seeds, stepped together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import xarray as xr

from tokenflow_sim.agents.clearing_house import WEEK
from tokenflow_sim.batch.fits import looks_back, reasons
from tokenflow_sim.batch.outside import Outside
from tokenflow_sim.batch.seeds import read_seeds
from tokenflow_sim.batch.separate import SeparateMarkets
from tokenflow_sim.batch.stacked import StackedMarkets
from tokenflow_sim.errors import Fault, InputError, ResultError
from tokenflow_sim.market.blas import one_thread
from tokenflow_sim.model import TokenMarket
from tokenflow_sim.numeric import Floats
from tokenflow_sim.pickling import Portable
from tokenflow_sim.results.names import names_of
from tokenflow_sim.scenario import Scenario, load_scenario
from tokenflow_sim.scenario.override import changes_of
from tokenflow_sim.strategies.assignment import Choice, find_faults
from tokenflow_sim.strategies.base import Receipt, View
from tokenflow_sim.strategies.demand import DemandReceipt, DemandView
from tokenflow_sim.strategies.network import NetworkReceipt, NetworkView


class Batch(Portable):
    """Many markets of one scenario that differ in their seeds, stepped together.

    What each market brings is, to the bit, what `TokenMarket` brings with that seed alone.

    Parameters
    ----------
    scenario : str, Path or Scenario
        Name of a bundled scenario, a folder or file, or a scenario.
    seeds : iterable of int
        A seed for each market, each once.
    periods : int, optional
        Number of periods, in place of the scenario's.
    overrides : mapping, optional
        Other values for the scenario, by dotted path, e.g. ``{"demand.scale": 30}``.
    strategies : mapping, optional
        Other strategies than the scenario's, as `TokenMarket` takes them; every market has its own.
    record : iterable of str, optional
        The variables to record, of those in `variables.RESULTS`; all if left out. Few variables take less memory, and
        less time.
    external : sequence of str, optional
        Names of agents whose submissions come from outside: `submit` them before each `step`. ``providers``,
        ``owners`` or ``regions`` stands for all of a kind.
    history : int
        How many past periods' prices the agents see.
    allow_code : bool
        Whether strategies and limits given as ``module:Class`` may be imported.

    Attributes
    ----------
    seeds : tuple of int
        The seeds, in the order of the dim `seed`.
    size : int
        How many markets there are.
    period, periods : int
        Periods played so far, which is the number of the next one, and how many there are.
    unvectorised : tuple of str
        Why the markets are stepped one by one, a line for each reason; empty where they are stepped as arrays.

    Raises
    ------
    ScenarioError
        If the scenario, an override or a strategy has faults; all are listed.
    InputError
        If there are no seeds, one comes twice or is no whole number, or `external` or `record` names what is not
        there.

    Examples
    --------
    >>> batch = Batch("us5", seeds=range(3), periods=24, record=["price"])
    >>> batch.run()
    >>> batch.results().price.dims
    ('seed', 'period', 'node', 'workload')
    """

    _word = "batch"

    def __init__(
        self,
        scenario: str | Path | Scenario,
        *,
        seeds: Iterable[int],
        periods: int | None = None,
        overrides: Mapping[str, Any] | None = None,
        strategies: Mapping[str, Choice] | None = None,
        record: Iterable[str] | None = None,
        external: Sequence[str] = (),
        history: int = WEEK,
        allow_code: bool = False,
    ) -> None:
        self.seeds = read_seeds(seeds)
        changes = changes_of(overrides)
        if periods is not None:
            changes["periods"] = periods
        self.settings = load_scenario(scenario, changes, also=partial(find_faults, allow_code=allow_code))
        self._outside = Outside.of(self.settings, external)
        self._make = partial(
            TokenMarket, self.settings, strategies={**(strategies or {}), **self._outside.strategies},
            record=names_of(record), history=history, allow_code=allow_code,
        )  # fmt: skip
        first = self._make(rng=self.seeds[0])
        self.periods = first.periods
        self.period = 0
        self._sizes = {
            name: {
                "seed": self.size,
                "workload": len(self.settings.workloads),
                {"provider": "asset", "owner": "arc", "region": "node"}[kind]: agent.shape[0],
            }
            for name, kind in self._outside.kinds.items()
            for agent in [getattr(first, f"{kind}s")[name]]
        }
        self._waiting: set[str] = set(self._outside.kinds)
        self._failed = False
        self.unvectorised = reasons(first)
        self._markets: SeparateMarkets | StackedMarkets
        if self.unvectorised:
            self._markets = SeparateMarkets(first, lambda seed: self._make(rng=seed), self.seeds)
        else:
            self._markets = StackedMarkets(
                first, self.seeds, history if self._outside.kinds or looks_back(first) else 1
            )

    @property
    def size(self) -> int:
        """How many markets there are."""
        return len(self.seeds)

    @property
    def running(self) -> bool:
        """Whether there are periods left to play."""
        return self.period < self.periods and not self._failed

    def __len__(self) -> int:
        """Return the number of markets."""
        return self.size

    def __repr__(self) -> str:
        """Summarise the batch in one line."""
        how = "one by one" if self.unvectorised else "as arrays"
        return f"<Batch of {self.settings.name!r}: {self.size} seeds, period {self.period} of {self.periods}, {how}>"

    def submit(self, name: str, *arrays: Any, **named: Any) -> None:
        """Take what an external agent submits for the next period; what is submitted last counts.

        Parameters
        ----------
        name : str
            The agent.
        *arrays, **named
            A provider's `price` in $/Mtok and `quantity` in Mtok/s, dims (seed, asset, workload); an owner's
            `route_cost` in $/Mtok, dims (seed, arc, workload), and `capacity`, dims (seed, arc); a region's `quantity`
            in Mtok/s, `value` and, if it is another, `worth` in $/Mtok, dims (seed, node, workload).

        Raises
        ------
        InputError
            If it is no external agent, or an array is missing, unknown or of another shape.
        """
        kind = self._outside.kind(name)
        found: dict[str, Floats] = self._outside.read(name, self._sizes[name], arrays, named)
        self._markets.give(kind, name, found)
        self._waiting.discard(name)

    def view(self, name: str) -> View | NetworkView | DemandView:
        """Return what an external agent sees before it submits for the next period.

        Parameters
        ----------
        name : str
            The agent.

        Returns
        -------
        View, NetworkView or DemandView
            As its kind has it, with a leading dim `seed` in every array, and in those of `history`; labels and places
            are those of one market. `rng`, `last_market` and `reference` are None.

        Raises
        ------
        InputError
            If it is no external agent.
        """
        seen: View | NetworkView | DemandView = self._markets.view(self._outside.kind(name), name)
        return seen

    def receipt(self, name: str) -> Receipt | NetworkReceipt | DemandReceipt:
        """Return what an external agent learns from the last period; dims as those of `view`.

        Raises
        ------
        InputError
            If it is no external agent, or no period was played yet.
        """
        kind = self._outside.kind(name)
        if self.period == 0:
            raise InputError([Fault("there is none before the first period is played", "receipt")], "batch")
        found: Receipt | NetworkReceipt | DemandReceipt = self._markets.receipt(kind, name)
        return found

    def step(self) -> None:
        """Play one period of every market; does nothing once the last one is played.

        Raises
        ------
        InputError
            If an external agent has submitted nothing.
        StrategyError, InfeasibleError, CertificateError
            As `TokenMarket.step` does, with a note that names the seed. The periods before stay.
        ResultError
            If the batch ended with an error before.
        """
        if self._failed:
            raise ResultError(f"the batch ended with an error in period {self.period}: make another to go on")
        if not self.running:
            return
        if self._waiting:
            faults = [
                Fault(f"has submitted nothing for period {self.period}: call submit before step", name)
                for name in self._outside.kinds
                if name in self._waiting
            ]
            raise InputError(faults, "batch")
        try:
            with one_thread():
                self._markets.step()
        except BaseException:
            self._failed = True
            raise
        self.period += 1
        self._waiting = set(self._outside.kinds)

    def run(self, progress: Callable[[int, int], object] | None = None) -> None:
        """Play all periods that are left.

        Parameters
        ----------
        progress : callable, optional
            Called after each period with the number of periods played and of all.

        Raises
        ------
        InputError, StrategyError, InfeasibleError, CertificateError, ResultError
            As `step` does.
        """
        with one_thread():  # once for all periods: entering it for each would cost more than it does
            while self.running:
                self.step()
                if progress is not None:
                    progress(self.period, self.periods)

    def results(self) -> xr.Dataset:
        """Return what happened so far.

        Returns
        -------
        Dataset
            What `TokenMarket.results` returns, with a leading dim `seed`: ``results.sel(seed=3)`` is what that
            seed's market brought.

        Raises
        ------
        ResultError
            If no period was played yet.
        """
        if self.period == 0:
            raise ResultError("no period was recorded yet; run the batch first")
        return self._markets.results(self.period)

    def get_state(self) -> dict[str, Any]:
        """Return where all markets stand, results aside; it can be pickled.

        A batch made with the same arguments goes on from there after `set_state`, to the same bits.
        """
        return {"seeds": self.seeds, "period": self.period, "markets": self._markets.get_state()}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go to where the batch stood when `get_state` was called; results start from there.

        Raises
        ------
        ResultError
            If the state is of a batch with other seeds, or this one has begun already.
        """
        if state["seeds"] != self.seeds:
            raise ResultError("this state belongs to a batch with other seeds")
        if self.period:
            raise ResultError("a batch can go on from a saved state only before its first period")
        self._markets.set_state(state["markets"])
        self.period = state["period"]
