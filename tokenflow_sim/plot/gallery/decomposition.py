"""What prices are made of."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tokenflow_sim.plot import text
from tokenflow_sim.plot.layers import Layer, stack
from tokenflow_sim.plot.panels import OneOrMore, dress_value, head, panels
from tokenflow_sim.plot.reading import Results, weighted_mean
from tokenflow_sim.plot.registry import figure
from tokenflow_sim.plot.style import INK, PALETTES, Columns
from tokenflow_sim.plot.time import Floats

_PARTS = ("energy", "scarcity", "routing", "congestion")


@figure("price", "demand", *(f"price_{part}" for part in _PARTS))
def decomposition(
    results: Results,
    node: str | None = None,
    *,
    workload: str | list[str] | None = None,
    columns: Columns = 2,
    ax: OneOrMore | None = None,
) -> Figure:
    """Prices over time as the sum of energy, scarcity, routing and congestion, by class.

    One panel a class. The black line is the price, which the parts make up.

    Parameters
    ----------
    ds : Dataset
        Results with `price`, its four parts and `demand`.
    node : str, optional
        The node whose price is drawn; by default the mean over nodes, weighted by demand.
    workload : str or list of str, optional
        The classes to draw; all by default.
    columns : {1, 2}
        Columns of a printed page that the figure spans: 89 or 183 mm.
    ax : Axes or sequence of Axes, optional
        Draw here, one a class, instead of in a new figure.

    Returns
    -------
    Figure

    Raises
    ------
    ResultError
        If the results lack what is needed, or a node or class is unknown.
    """
    time, classes = results.time, results.names("workload", "price")
    arrays = [results[name] for name in ("demand", "price", *(f"price_{part}" for part in _PARTS))]
    label = "price, mean weighted by demand"
    if node is not None:
        (chosen,) = results.choose("node", node, "price")
        place = results.names("node", "price").index(chosen)
        arrays = [array[:, place : place + 1] for array in arrays]
        label = f"price at {text.name(chosen)}"

    def means(demand: Floats, *values: Floats) -> tuple[Floats, ...]:
        return tuple(weighted_mean(value, demand, axis=(1, 2)) for value in values)

    price, *parts = time.apply(means, *arrays)
    shown = results.choose("workload", workload, "price")
    drawn = panels(len(shown), ax, columns, figure="decomposition", height=1.6)
    for place, (ax_, name) in enumerate(zip(drawn.axes, shown, strict=True)):
        k = classes.index(name)
        layers = [
            Layer(part, values[:, k], colour)
            for part, values, colour in zip(_PARTS, parts, PALETTES["part"], strict=True)
        ]
        stack(ax_, time, layers)
        ax_.plot(time.line, time.steps(price[:, k]), color=INK, linewidth=0.8, label=label)
        head(ax_, text.name(name))
        dress_value(
            ax_, text.quantity(results.attrs("price")) if drawn.is_left(place) else "", from_zero=True
        )
        drawn.entries = {label: Line2D([], [], color=INK, linewidth=0.8)}
        drawn.entries |= {layer.label: layer.patch() for layer in layers}
    drawn.dress_time(time)
    drawn.legend()
    return drawn.figure
