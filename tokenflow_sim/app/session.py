"""What one browser tab holds: two variants, what was typed for each, and what is looked at."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import solara

from tokenflow_sim.app.edits import Checked, Edits, check
from tokenflow_sim.app.variant import Variant

NAMES = ("A", "B")
_GLANCE = 0.4  # seconds between two looks at the models: figures are drawn at most about twice a second


@dataclass
class Side:
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
    variant: Variant = field(default_factory=Variant)
    applied: Edits | None = None
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def change(self, change: Callable[[Edits], Edits]) -> None:
        """Change what was typed, from what it is by now and not from what was drawn last."""
        self.edits.set(change(self.edits.peek()))

    def apply(self, checked: Checked, edits: Edits) -> None:
        """Begin anew with what was typed, unless it has faults."""
        with self._lock:
            if checked.scenario is not None:
                self.applied = edits
                self.variant.reset(checked.scenario, checked.seed)

    def catch_up(self, checked: Checked | None = None) -> None:
        """Apply what was typed last, as long as nothing was played.

        A click may come before the page was drawn with what was typed before it; and the page may be drawn, in a
        thread of its own, while that click is answered.
        """
        with self._lock:
            edits = self.edits.peek()
            if self.applied != edits and not self.variant.period and self.variant.status != "running":
                self.apply(checked or check(edits), edits)

    def start(self, pause: float) -> None:
        """Play what was typed last, or go on."""
        with self._lock:
            self.catch_up()
            self.variant.start(pause)

    def step(self) -> None:
        """Play one period of what was typed last, or the next."""
        with self._lock:
            self.catch_up()
            self.variant.step()


class Session:
    """Everything of one browser tab.

    Parameters
    ----------
    source : str
        The scenario to begin with.
    """

    def __init__(self, source: str) -> None:
        self.sides = [Side(name, solara.reactive(Edits(source))) for name in NAMES]
        self.both = solara.reactive(False)
        self.tick = solara.reactive(0)
        self.node: solara.Reactive[str | None] = solara.reactive(None)
        self.workload: solara.Reactive[str | None] = solara.reactive(None)
        self.period: solara.Reactive[int | None] = solara.reactive(None)
        self.pause = solara.reactive("none")

    @property
    def active(self) -> list[Side]:
        """The variants on show."""
        return self.sides if self.both.value else self.sides[:1]

    def look(self) -> None:
        """Have the page drawn anew."""
        self.tick.set(self.tick.peek() + 1)

    def watch(self, cancel: threading.Event) -> None:
        """Have the page drawn anew whenever a model has moved on, until cancelled."""
        seen: list[int] = []
        while not cancel.wait(_GLANCE):
            now = [side.variant.version for side in self.sides]
            if now != seen:
                seen = now
                self.look()

    def close(self) -> None:
        """Stop all runs."""
        for side in self.sides:
            side.variant.stop()
