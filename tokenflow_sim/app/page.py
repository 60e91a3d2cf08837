"""The page: settings at the left, controls at the top, and what is seen of the market below."""

from __future__ import annotations

import re
from importlib.resources import files
from importlib.util import find_spec
from typing import Any

import solara
import solara.lab

from tokenflow_sim.app.board import Board, Choice
from tokenflow_sim.app.edits import Checked, Edits, check
from tokenflow_sim.app.fields import Settings
from tokenflow_sim.app.session import Session, Variant
from tokenflow_sim.scenario import Scenario

PAUSES = {"none": 0.0, "0.2 s": 0.2, "1 s": 1.0}
"""Pauses after each period, for those who want to watch."""

_BLUE = "#0b5c8f"
_source = "us20_oligopoly"


def begin_with(source: str) -> None:
    """Choose the scenario that new tabs show first."""
    global _source
    _source = source


@solara.component
def Page() -> None:
    """Show the page of ``tokenflow app``."""
    session: Session = solara.use_memo(lambda: Session(_source), [])
    solara.use_effect(lambda: session.close, [])
    solara.use_thread(session.watch, dependencies=[])
    solara.Title("tokenflow")
    solara.lab.theme.themes.light.primary = _BLUE
    solara.lab.theme.dark = False
    solara.Style(files("tokenflow_sim.app").joinpath("page.css").read_text(encoding="utf-8"))
    with solara.AppBar():
        solara.AppBarTitle("tokenflow")
    first, second = session.variants
    shown = solara.use_reactive(f"Variant {first.name}")
    checked = [use_checked(first, True), use_checked(second, session.both.value)]
    with solara.Sidebar():
        found = [one for one in checked if one is not None]
        if session.both.value:
            # Not tabs: their bodies would be laid out inside the bar, too low to be used.
            names = [f"Variant {variant.name}" for variant in session.variants]
            solara.ToggleButtonsSingle(shown, values=names, dense=True)
            number = names.index(shown.value)
            variant = session.variants[number]
            Settings(variant.name, variant.edits.value, found[number], variant.change).key(
                f"settings-{variant.name}"
            )
        else:
            Settings("the run", first.edits.value, found[0], first.change).key("settings")
    with solara.Column(classes=["tf-page"], gap="10px"):
        Controls(session, found)
        Board(session)


def use_checked(variant: Variant, shown: bool) -> Checked | None:
    """Check what was typed for a variant on show, and apply it at once as long as nothing was played."""
    edits: Edits = variant.edits.value
    checked: Checked | None = solara.use_memo(lambda: check(edits) if shown else None, [edits, shown])

    def apply() -> None:
        # Where something newer was typed meanwhile, the page is drawn again for it.
        if checked is not None and edits == variant.edits.peek():
            variant.catch_up(checked)

    solara.use_effect(apply, [edits, shown])
    return checked


@solara.component
def Controls(session: Session, checked: list[Checked]) -> None:
    """Start, stop, step and reset all variants on show; save what they did."""
    _ = session.tick.value
    variants = session.active
    states = [variant.runner.status for variant in variants]
    faulty = any(found.scenario is None for found in checked)
    waiting = [variant.name for variant in variants if variant.applied != variant.edits.value]

    def start() -> None:
        session.period.set(None)
        for variant in variants:
            variant.start(PAUSES[session.pause.peek()])
        session.redraw()

    def stop() -> None:
        session.close()
        session.redraw()

    def step() -> None:
        session.period.set(None)
        for variant in variants:
            variant.step()
        session.redraw()

    def reset() -> None:
        session.period.set(None)
        for variant in variants:
            # What stands in the fields now, which may be newer than what was drawn last.
            edits = variant.edits.peek()
            variant.apply(check(edits), edits)
        session.redraw()

    running = "running" in states
    can_play = not running and any(state in ("ready", "stopped") for state in states)
    if faulty:
        # A model that was never begun has nothing to play.
        can_play = can_play and all(variant.applied is not None for variant in variants)
    with solara.Div(classes=["tf-card", "tf-controls"]):
        solara.Button("Start", icon_name="mdi-play", color="primary", on_click=start, disabled=not can_play)
        solara.Button("Stop", icon_name="mdi-stop", on_click=stop, disabled=not running)
        solara.Button("Step", icon_name="mdi-skip-next", on_click=step, disabled=not can_play)
        solara.Button("Reset", icon_name="mdi-restart", on_click=reset, disabled=faulty)
        with solara.Div(classes=["tf-pause"]):
            Choice(
                label="Pause a period",
                values=list(PAUSES),
                value=session.pause.value,
                event_put=session.pause.set,
            )
        with solara.Div(classes=["tf-status"], attributes={"role": "status"}):
            for variant in variants:
                solara.Text(_status(variant, len(variants) > 1))
        with solara.Div():
            if (shown := session.period.value) is not None:
                # Variants may begin at different dates: then both stand.
                moments = " / ".join(dict.fromkeys(variant.runner.when(shown) for variant in variants))
                solara.Button(
                    f"{moments[0].upper()}{moments[1:]}: back to the last",
                    text=True,
                    on_click=lambda: session.period.set(None),
                )
        solara.Switch(label="Two variants", value=session.both)
        for variant in variants:
            Saving(variant, variant.runner.settings, len(variants) > 1, played=variant.runner.period > 0)
    with solara.Div():
        if faulty:
            solara.Error(
                "The settings have faults, shown beside their fields. They take effect once mended.",
                dense=True,
            )
        elif waiting:
            solara.Warning("Settings were changed: they take effect with Reset.", dense=True)


def _status(variant: Variant, named: bool) -> str:
    head = f"{variant.name}: " if named else ""
    return f"{head}{variant.runner.status}, {variant.runner.period:,} of {variant.runner.periods:,} periods"


@solara.component
def Saving(variant: Variant, scenario: Scenario | None, named: bool, played: bool) -> None:
    """Save the run, its report and the scenario that was played."""
    if scenario is None:
        return
    stem = re.sub(r"[^\w.-]+", "_", scenario.name) + (f"_{variant.name}" if named else "")
    tail = f" {variant.name}" if named else ""
    with solara.Row(gap="4px", classes=["tf-saving"]):
        solara.FileDownload(
            scenario.to_yaml, filename=f"{stem}.yaml", label=f"Scenario{tail}", mime_type="text/yaml"
        )
        if played:
            solara.FileDownload(variant.runner.netcdf, filename=f"{stem}.nc", label=f"Run{tail}")
            if find_spec("jinja2") is not None:
                solara.FileDownload(
                    lambda: _report(variant),
                    filename=f"{stem}.html",
                    label=f"Report{tail}",
                    mime_type="text/html",
                )


def _report(variant: Variant) -> Any:
    from tokenflow_sim.report import render

    results = variant.runner.results()
    return "" if results is None else render(results, "run.nc")
