"""What one visit of the page holds: its variants, each with a run that goes on in a thread of its own."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import solara
import xarray as xr

from tokenflow_sim.app.edits import Checked, Edits, check
from tokenflow_sim.disk import writing
from tokenflow_sim.errors import ResultError, TokenflowError
from tokenflow_sim.market import Clearer
from tokenflow_sim.model import TokenMarket
from tokenflow_sim.results import save_results
from tokenflow_sim.scenario import Scenario
from tokenflow_sim.scenario.times import written

Status = Literal["ready", "running", "stopped", "done", "failed"]

_BATCH = 0.08  # seconds of steps between two chances for others to look
_PATIENCE = 0.05  # seconds that the page waits for a look
_BREATH = 0.004  # seconds in which they take it


@dataclass(eq=False)
class _Run:
    """A model, the lock that its readers and its thread hold, and the event that asks it to stop."""

    model: TokenMarket
    lock: threading.Lock = field(default_factory=threading.Lock)
    stop: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None


class ModelRunner:
    """Runs a model in the background under the control of the page.

    Everything may be called from any thread, and nothing but `step` and `wait` waits for a period to be played. The
    page looks at `version`, which rises with whatever happens, and draws only when it has risen.

    Attributes
    ----------
    status : str
        ``ready`` before the first period, ``running``, ``stopped``, ``done``, or ``failed``.
    error : str
        Why it failed.
    version : int
        Rises with every change.
    """

    def __init__(self) -> None:
        self.status: Status = "ready"
        self.error = ""
        self.version = 0
        self._run: _Run | None = None
        self._seen: tuple[int, xr.Dataset] | None = None

    @property
    def period(self) -> int:
        """Periods played so far."""
        return self._run.model.period if self._run else 0

    @property
    def periods(self) -> int:
        """Periods of the whole run."""
        return self._run.model.periods if self._run else 0

    @property
    def settings(self) -> Scenario | None:
        """The scenario that is played."""
        return self._run.model.settings if self._run else None

    def when(self, period: int) -> str:
        """Say when a period begins: its date in the zone of the scenario, or ``period 38`` where it has none."""
        times = None if self.settings is None else self.settings.times
        return f"period {period}" if times is None else written(times.at(period), times.zone)

    def reset(self, scenario: Scenario, seed: int) -> None:
        """Stop, and start over with a scenario."""
        self.stop()
        clearer = None if self._run is None else _take_clearer(self._run)
        self.error, self._run, self._seen = "", None, None
        try:
            self._run = _Run(TokenMarket(scenario, rng=seed, clearer=clearer))
        except TokenflowError as error:
            self.error = str(error)
            self._now("failed")
        else:
            self._now("ready")

    def start(self, pause: float = 0.0) -> None:
        """Play on in the background, with a pause in seconds after each period, until `stop` or the end."""
        run = self._run
        if run is None or self.status not in ("ready", "stopped"):
            return
        run.stop.clear()
        self._now("running")
        run.thread = threading.Thread(
            target=self._run_periods, args=(run, pause), name="tokenflow run", daemon=True
        )
        run.thread.start()

    def stop(self) -> None:
        """Have the run stop after the period that is being played."""
        if self._run is not None:
            self._run.stop.set()

    def wait(self, seconds: float | None = None) -> None:
        """Wait until the run has stopped or ended."""
        if self._run is not None and self._run.thread is not None:
            self._run.thread.join(seconds)

    def step(self) -> None:
        """Play one period; does nothing while the run goes on, or once it has ended."""
        run = self._run
        if run is not None and self.status in ("ready", "stopped"):
            with run.lock:
                self._one(run, "stopped")

    def results(self) -> xr.Dataset | None:
        """Return what happened so far, or a moment ago where a period is being played; None before the first."""
        run = self._run
        if run is not None and run.lock.acquire(timeout=_PATIENCE):
            try:
                period = run.model.period
                if period and (self._seen is None or self._seen[0] != period):
                    self._seen = period, run.model.results()
            finally:
                run.lock.release()
        return None if self._seen is None else self._seen[1]

    def netcdf(self) -> bytes:
        """Return the run so far as the content of a NetCDF file, which `load_results` reads.

        Raises
        ------
        ResultError
            If no period was played yet.
        """
        run = self._run
        if run is None:
            raise ResultError("there is nothing to save: no period was played yet")
        with run.lock:
            results = run.model.results()
        with writing(Path(tempfile.gettempdir())), tempfile.TemporaryDirectory() as folder:
            return save_results(results, Path(folder) / "run.nc").read_bytes()

    def _run_periods(self, run: _Run, pause: float) -> None:
        alive = True
        while alive and not run.stop.is_set():
            began = time.perf_counter()
            with run.lock:
                while alive and not run.stop.is_set():
                    alive = self._one(run, "running")
                    if pause or time.perf_counter() - began > _BATCH:
                        break
            # Others get the lock now; without a breath this thread might take it again at once.
            run.stop.wait(max(pause, _BREATH))
        if alive and run is self._run:
            self._now("stopped")

    def _one(self, run: _Run, then: Status) -> bool:
        """Play one period; say whether there is another. A run that was reset meanwhile reports nothing."""
        try:
            run.model.step()
        except TokenflowError as error:
            if run is self._run:
                self.error = str(error)
                self._now("failed")
            return False
        if run is self._run:
            self._now(then if run.model.running else "done")
        return bool(run.model.running)

    def _now(self, status: Status) -> None:
        self.status = status
        self.version += 1


def _take_clearer(run: _Run) -> Clearer | None:
    """Take the solver's model from a run that was asked to stop: to build one takes longer than to play a period.

    While it still plays its last period, the model is left to it.
    """
    if not run.lock.acquire(timeout=_PATIENCE):
        return None
    try:
        house = run.model.clearing_house
        clearer, house.clearer = house.clearer, None
    finally:
        run.lock.release()
    return clearer


NAMES = ("A", "B")
_GLANCE = 0.4  # seconds between two looks at the models: figures are drawn at most about twice a second


@dataclass
class Variant:
    """A variant with its settings.

    Parameters
    ----------
    name : str
        ``A`` or ``B``.
    edits : Reactive
        What was typed.
    """

    name: str
    edits: solara.Reactive[Edits]
    runner: ModelRunner = field(default_factory=ModelRunner)
    applied: Edits | None = None
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def change(self, change: Callable[[Edits], Edits]) -> None:
        """Change what was typed, from what it is by now and not from what was drawn last."""
        self.edits.set(change(self.edits.peek()))

    def apply(self, checked: Checked, edits: Edits) -> None:
        """Start over with what was typed, unless it has faults."""
        with self._lock:
            if checked.scenario is not None:
                self.applied = edits
                self.runner.reset(checked.scenario, checked.seed)

    def catch_up(self, checked: Checked | None = None) -> None:
        """Apply what was typed last, as long as nothing was played.

        A click may come before the page was drawn with what was typed before it; and the page may be drawn, in a
        thread of its own, while that click is answered.
        """
        with self._lock:
            edits = self.edits.peek()
            if self.applied != edits and not self.runner.period and self.runner.status != "running":
                self.apply(checked or check(edits), edits)

    def start(self, pause: float) -> None:
        """Play what was typed last, or go on."""
        with self._lock:
            self.catch_up()
            self.runner.start(pause)

    def step(self) -> None:
        """Play one period of what was typed last, or the next."""
        with self._lock:
            self.catch_up()
            self.runner.step()


class Session:
    """Everything of one browser tab.

    Parameters
    ----------
    source : str
        The scenario to begin with.
    """

    def __init__(self, source: str) -> None:
        self.variants = [Variant(name, solara.reactive(Edits(source))) for name in NAMES]
        self.both = solara.reactive(False)
        self.tick = solara.reactive(0)
        self.node: solara.Reactive[str | None] = solara.reactive(None)
        self.workload: solara.Reactive[str | None] = solara.reactive(None)
        self.period: solara.Reactive[int | None] = solara.reactive(None)
        self.pause = solara.reactive("none")

    @property
    def active(self) -> list[Variant]:
        """The variants on show."""
        return self.variants if self.both.value else self.variants[:1]

    def redraw(self) -> None:
        """Have the page redrawn."""
        self.tick.set(self.tick.peek() + 1)

    def watch(self, cancel: threading.Event) -> None:
        """Have the page redrawn whenever a model has moved on, until cancelled."""
        seen: list[int] = []
        while not cancel.wait(_GLANCE):
            now = [variant.runner.version for variant in self.variants]
            if now != seen:
                seen = now
                self.redraw()

    def close(self) -> None:
        """Stop all runs."""
        for variant in self.variants:
            variant.runner.stop()
