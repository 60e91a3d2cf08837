"""The page's own widgets: fields, and drawings that the browser makes from plain numbers.

A field sends what was typed or picked with the event itself. A widget that sends its value separately may have that
value wait in the browser while the server is busy, and the event, or the next click, arrives before it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import solara
import xarray as xr

from tokenflow_sim.app import atlas, series
from tokenflow_sim.app.series import Curves
from tokenflow_sim.app.session import Session, Variant
from tokenflow_sim.results.dates import when


@solara.component_vue("vue/text.vue")
def Text(label: str, value: str, event_put: Callable[[str], None], fault: str = "", rows: int = 0) -> None:
    """Take a text, put when Enter is pressed or the field is left; of several lines where `rows` is given."""


@solara.component_vue("vue/choice.vue")
def Choice(label: str, values: list[str], value: str, event_put: Callable[[str], None]) -> None:
    """Take one of some values."""


@solara.component_vue("vue/map.vue")
def Map(
    nodes: list[dict[str, Any]],
    links: list[dict[str, Any]],
    outlines: list[str],
    width: float,
    height: float,
    selected: str | None,
    tints: list[str],
    ends: list[str],
    caption: str,
    event_pick: Callable[[str], None],
    note: str = "",
) -> None:
    """Draw nodes and links; a click on a node picks it."""


@solara.component_vue("vue/chart.vue")
def Chart(
    title: str,
    unit: str,
    periods: list[float],
    lines: list[dict[str, Any]],
    end: int,
    event_pick: Callable[[float], None],
    bounds: list[float] | None = None,
    marker: float | None = None,
    log: bool = False,
    note: str = "",
    ticks: list[dict[str, Any]] | None = None,
) -> None:
    """Draw lines over periods; a click picks a period."""


@solara.component_vue("vue/parts.vue")
def Parts(node: str, period: str, rows: list[dict[str, Any]]) -> None:
    """Show what the prices of a node are made of."""


_CHARTS: tuple[Callable[[xr.Dataset], Curves], ...] = (
    series.settlement, series.profits, series.congestion, series.unserved,
)  # fmt: skip


@solara.component
def Board(session: Session) -> None:
    """Show all variants; redrawn whenever a model has moved on."""
    _ = session.tick.value
    variants = session.active
    snapshots = [snapshot(variant.runner.results(), session.node.value) for variant in variants]
    # What comes and goes has a place of its own: were others moved, their widgets would be made again, and a click
    # that is under way would be lost.
    with solara.Div(classes=["tf-card"] if len(variants) == 2 else []):
        if len(variants) == 2:
            Differences(snapshots[0], snapshots[1])
    with solara.Div(classes=["tf-two" if len(variants) == 2 else "tf-one"]):
        scales = [
            _scale([one.charts[place] for one in snapshots if one.charts])
            for place in range(len(_CHARTS) + 1)
        ]
        for variant, one in zip(variants, snapshots, strict=True):
            with solara.Div(classes=["tf-side"], attributes={"data-side": variant.name}).key(variant.name):
                View(session, variant, one, scales, narrow=len(variants) == 2)


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The results of a run at one moment, with their charts; two snapshots are never equal, so that each is drawn."""

    ds: xr.Dataset | None
    charts: list[Curves]


def snapshot(ds: xr.Dataset | None, node: str | None) -> Snapshot:
    """Read all charts of a run; prices are those of the node that is picked, if it is there."""
    if ds is None:
        return Snapshot(None, [])
    here = node if node in ds["node"].to_numpy() else None
    return Snapshot(ds, [series.prices(ds, here), *(make(ds) for make in _CHARTS)])


def _scale(charts: list[Curves]) -> list[float] | None:
    """Return one scale for the same chart of both variants."""
    found = series.bounds(charts) if len(charts) > 1 else None
    return None if found is None else list(found)


@solara.component
def View(
    session: Session,
    variant: Variant,
    seen: Snapshot,
    scales: list[list[float] | None],
    narrow: bool,
) -> None:
    """Show one variant."""
    ds = seen.ds
    scenario = variant.runner.settings
    on = solara.use_memo(lambda: None if scenario is None else atlas.base_map(scenario), [id(scenario)])
    end = variant.runner.periods
    ticks = solara.use_memo(
        lambda: [] if scenario is None else series.date_ticks(scenario, end), [id(scenario), end]
    )
    with solara.Div():
        if variant.runner.error:
            solara.Error(variant.runner.error, classes=["tf-error"])
    if scenario is None or on is None:
        return
    with solara.Div():
        if narrow:
            solara.HTML("h3", f"{variant.name}: {scenario.name}", classes=["tf-name"])
    workloads = list(scenario.workloads)
    workload = session.workload.value if session.workload.value in workloads else workloads[0]
    last = -1 if ds is None else ds.sizes["period"] - 1
    period = last if session.period.value is None else min(session.period.value, last)
    moment = f"period {period}" if ds is None else when(ds, period)
    node = session.node.value if session.node.value in scenario.nodes else next(iter(scenario.nodes))
    with solara.Div():
        if ds is not None:
            Numbers(series.key_figures(ds))
    with solara.Div(classes=["tf-top" if not narrow else "tf-stack"]):
        with solara.Div(classes=["tf-card"]):
            with solara.Row(classes=["tf-row"]):
                solara.ToggleButtonsSingle(
                    value=workload, values=workloads, on_value=session.workload.set, dense=True
                )
            Map(
                nodes=atlas.nodes(on, ds, period, workload),
                links=atlas.links(on, ds, period),
                outlines=on.outlines,
                width=atlas.WIDTH,
                height=atlas.HEIGHT,
                selected=node,
                tints=atlas.tints(),
                ends=atlas.scale(ds, period, workload),
                caption=f"price of {workload}, {moment}",
                note=on.note,
                event_pick=session.node.set,
            )
        with solara.Div(classes=["tf-stack"]):
            with solara.Div(classes=["tf-card"]):
                if ds is None:
                    solara.Text(
                        "Start or step to see prices. Click a node to see what its prices are made of.",
                        classes=["tf-quiet"],
                    )
                else:
                    Parts(node=node, period=moment, rows=series.decomposition(ds, node, period))
                    solara.Text("Click a node on the map, or a period in a chart.", classes=["tf-quiet"])
            Charts(session, seen.charts[:1], scales[:1], variant.runner.periods, period, ticks)
    with solara.Div(classes=["tf-charts" if not narrow else "tf-stack"]):
        Charts(session, seen.charts[1:], scales[1:], variant.runner.periods, period, ticks)


@solara.component
def Charts(
    session: Session,
    charts: list[Curves],
    scales: list[list[float] | None],
    end: int,
    period: int,
    ticks: list[dict[str, Any]],
) -> None:
    """Show charts, each on a card."""
    with solara.Div(classes=["tf-each"]):
        for one, scale in zip(charts, scales, strict=False):
            with solara.Div(classes=["tf-card"]).key(one.title.partition(",")[0]):
                Chart(
                    title=one.title,
                    unit=one.unit,
                    periods=one.periods,
                    lines=one.lines,
                    end=end,
                    bounds=scale,
                    marker=None if session.period.value is None else float(period),
                    log=one.log,
                    note=one.note,
                    ticks=ticks,
                    event_pick=lambda at: session.period.set(int(at)),
                )


@solara.component
def Numbers(figures: dict[str, tuple[str, float]]) -> None:
    """Show the sums of a run so far."""
    with solara.Div(classes=["tf-numbers"]):
        for name, (text, _) in figures.items():
            with solara.Div(attributes={"data-figure": name}):
                solara.Text(text, classes=["tf-number"])
                solara.Text(name, classes=["tf-quiet"])


@solara.component
def Differences(one: Snapshot, other: Snapshot) -> None:
    """Show two variants in one table."""
    first, second = one.ds, other.ds
    if first is None or second is None:
        solara.Text("Start or step to compare the two variants.", classes=["tf-quiet"])
        return
    count = min(first.sizes["period"], second.sizes["period"])
    rows = "".join(
        f"<tr><th>{name}</th><td>{left}</td><td>{right}</td><td>{gap}</td></tr>"
        for name, left, right, gap in series.compared(first, second)
    )
    head = f"<thead><tr><th>over the first {count:,} periods</th><th>A</th><th>B</th><th>B less A</th></tr></thead>"
    # Names of classes are letters, digits, spaces, hyphens and underscores: nothing that HTML would read.
    solara.HTML("table", f"{head}<tbody>{rows}</tbody>", classes=["tf-table"])
