"""Generation of power over time, by what it runs on."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tokenflow_sim.errors import ResultError
from tokenflow_sim.numeric import Floats
from tokenflow_sim.plot import text
from tokenflow_sim.plot.layers import Layer, layers_of, ranked, stack
from tokenflow_sim.plot.panels import OneOrMore, dress_value, head, panels
from tokenflow_sim.plot.registry import Results, figure
from tokenflow_sim.plot.style import INK, Columns
from tokenflow_sim.results.reading import grouped, scenario_of

COLOURS = {
    "nuclear": "#8659B2", "coal": "#3B3B3B", "lignite": "#6B4F3A", "oil": "#A65E2E", "gas": "#D98E73",
    "gas_cc": "#D98E73", "gas_ct": "#B5523B", "ccgt": "#D98E73", "ocgt": "#B5523B", "biomass": "#7A9A3A",
    "hydro": "#2A6F97", "wind": "#7FC8C2", "onwind": "#7FC8C2", "offwind": "#4FA3A5", "solar": "#F2C14E",
}  # fmt: skip
"""Colours of what generators usually run on; others take those of the palette, by size."""
ORDER = tuple(COLOURS)
"""Layers stand from the steady below to the variable on top."""


@figure("generation", "curtailment", "local_load", "generator_bus")
def generation(
    results: Results,
    *,
    bus: str | list[str] | None = None,
    columns: Columns = 2,
    ax: OneOrMore | None = None,
) -> Figure:
    """Power generated over time by what it runs on, with local load as a line.

    Layers are generators of one `carrier`, as the scenario says; those that have none are named alone. The white
    hatched layer on top is power of wind, sun and the like that could have run and was curtailed. The black line is
    local load; what generation has above it goes to data centres and, of some buses alone, elsewhere. Where periods
    are taken together, amounts are means of a step.

    Parameters
    ----------
    ds : Dataset
        Results of a scenario with a grid, with `generation`, `curtailment` and `local_load`. Carriers come from the
        scenario among the attributes.
    bus : str or list of str, optional
        The buses whose generators and load are drawn; all together by default.
    columns : {1, 2}
        Columns of a printed page that the figure spans: 89 or 183 mm.
    ax : Axes, optional
        Draw here instead of in a new figure.

    Returns
    -------
    Figure

    Raises
    ------
    ResultError
        If the results lack what is needed, or a bus is unknown.
    """
    at = results.along("generator_bus")
    names, buses = results.names("generator", "generation"), results.names("bus", "local_load")
    shown = results.choose("bus", bus, "local_load")
    here = np.array([one in shown for one in at])
    if not here.any():
        raise ResultError(f"generation: no generator is at {', '.join(shown)}")
    carriers = carriers_of(results, names)
    kinds = sorted({carriers[place] for place in np.flatnonzero(here)}, key=_rank)
    time = results.time
    members = [carriers[place] if here[place] else "" for place in range(len(names))]

    def by_carrier(power: Floats) -> tuple[Floats, ...]:
        return (grouped(power.mean(axis=1), members, ["", *kinds], axis=1)[:, 1:],)

    (made,) = time.apply(by_carrier, results["generation"])
    unused = time.mean(results["curtailment"])[:, here].sum(axis=1)
    load = time.mean(results["local_load"])[:, [buses.index(one) for one in shown]].sum(axis=1)
    largest = float(max(made.sum(axis=1).max(initial=0.0), load.max(initial=0.0)))
    factor, unit = (1e-3, "GW") if largest >= 1e4 else (1.0, str(results.attrs("generation")["units"]))
    drawn = panels(1, ax, columns, figure="generation", height=2.6)
    ax_ = drawn.axes[0]
    layers = _layers(kinds, made * factor)
    if unused.sum() > 1e-6 * made.sum():
        layers.append(Layer("curtailed", unused * factor, "#FFFFFF", "//////"))
    stack(ax_, time, layers)
    ax_.plot(time.line, time.steps(load * factor), color=INK, linewidth=0.9)
    drawn.entries = {layer.label: layer.patch() for layer in layers}
    drawn.entries["local load"] = Line2D([], [], color=INK, linewidth=0.9)
    where = "All buses" if len(shown) == len(buses) else ", ".join(text.name(one) for one in shown[:3])
    more = f" and {len(shown) - 3} more" if 3 < len(shown) < len(buses) else ""
    head(
        ax_, where + more, f"{text.percent(unused.sum() / max(unused.sum() + made.sum(), 1e-12))} % curtailed"
    )
    dress_value(ax_, text.labelled("Power generated", unit), from_zero=True)
    drawn.dress_time(time)
    drawn.legend()
    return drawn.figure


def carriers_of(results: Results, names: list[str]) -> list[str]:
    """Return what each generator runs on; its own name where the scenario does not say."""
    scenario = scenario_of(results.ds)
    made = {} if scenario is None or scenario.grid is None else scenario.grid.generators
    return [(made[name].carrier if name in made else "") or name for name in names]


def _rank(carrier: str) -> tuple[int, str]:
    known = carrier.lower()
    return (ORDER.index(known) if known in ORDER else len(ORDER), carrier)


def _layers(kinds: list[str], made: Floats) -> list[Layer]:
    """Return a layer for each carrier, in the order of the stack."""
    known = [place for place, kind in enumerate(kinds) if kind.lower() in COLOURS]
    layers = [
        Layer(text.name(kinds[place].replace("_", " ")), made[:, place], COLOURS[kinds[place].lower()])
        for place in known
        if made[:, place].any()
    ]
    others = [place for place in range(len(kinds)) if place not in known]
    if others:
        names, values = [kinds[place] for place in others], made[:, others]
        total = values.sum(axis=0)
        layers += layers_of(names, values, "rank", ranked(names, total), "generators", total)
    return layers
