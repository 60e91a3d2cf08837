"""A game of two players: what each earns, and where each answers the other best."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from tokenflow_sim.errors import ResultError
from tokenflow_sim.plot import text
from tokenflow_sim.plot.panels import OneOrMore, head, panels
from tokenflow_sim.plot.registry import Results, figure
from tokenflow_sim.plot.style import INK, SEQUENTIAL, Columns

_ROW, _LEAST, _AROUND = 0.16, 1.6, 0.75  # inches: of an action, of a map, and of the words around it
_MOST_NAMED = 12  # actions that are all named along an axis
_SAME = 1e-9
_OWN = "#E69F00"  # stands out from both ends of the scale
_HALO = [withStroke(linewidth=2.0, foreground="white")]  # ink on dark cells


def _is_of_two(ds: xr.Dataset) -> bool:
    payoff = ds["payoff"]
    return payoff.dims[-1:] == ("provider",) and payoff.ndim == 3 and payoff.sizes["provider"] == 2


@figure("payoff", "provider", fits=_is_of_two)
def best_responses(results: Results, *, columns: Columns = 2, ax: OneOrMore | None = None) -> Figure:
    """Payoffs of two players by both actions, with best responses and equilibria.

    A map for each player: its payoff by its own action (upwards) and the other's. Dots are its best responses, crosses
    the other's; where both meet, in a ring, is an equilibrium in pure strategies.

    Parameters
    ----------
    ds : Dataset
        The `dataset` of a `tf.Game` of two players.
    columns : {1, 2}
        Columns of a printed page that the figure spans: 89 or 183 mm.
    ax : sequence of two Axes, optional
        Draw here instead of in a new figure.

    Returns
    -------
    Figure

    Raises
    ------
    ResultError
        If the Dataset is not that of a game of two players.
    """
    ds = results.ds
    if not _is_of_two(ds):
        raise ResultError(
            f"best_responses draws games of two players; `payoff` has the dims {ds['payoff'].dims}"
        )
    payoff = np.asarray(ds["payoff"].values, dtype=np.float64)
    names = [str(one) for one in ds["provider"].values]
    actions = [ds[dim].values for dim in ds["payoff"].dims[:-1]]
    rows = max(payoff.shape[:2])
    height = _AROUND + max(_LEAST, _ROW * min(rows, 24))
    drawn = panels(2, ax, columns, figure="best_responses", height=height, across=columns)
    factor, prefix = text.prefixed(float(np.nanmax(np.abs(payoff))))
    best = [_best(payoff, player) for player in (0, 1)]
    for player, axes in enumerate(drawn.axes):
        own, other = player, 1 - player
        values = payoff[..., player] * factor
        shown = values if player == 0 else values.T  # the player's own action upwards
        mesh = axes.pcolormesh(np.ma.masked_invalid(shown), cmap=SEQUENTIAL, rasterized=True)
        _marks(axes, best, player)
        _name_actions(axes, actions[other], "x")
        _name_actions(axes, actions[own], "y")
        axes.set_xlabel(f"action of {text.name(names[other])}")
        axes.set_ylabel(f"action of {text.name(names[own])}")
        head(axes, text.name(names[own]))
        _scale(drawn.figure, axes, mesh, text.labelled("Payoff", f"{prefix}$/h"))
    markers: Sequence[tuple[str, dict[str, Any]]] = (
        ("best response of the player", {"marker": "o", "color": _OWN}),
        ("of the other", {"marker": "x", "color": INK}),
        ("equilibrium", {"marker": "o", "color": INK, "markerfacecolor": "none", "markersize": 9}),
    )
    has_equilibrium = bool((best[0] & best[1]).any())
    for label, style in markers[: len(markers) if has_equilibrium else -1]:
        drawn.entries[label] = Line2D([], [], linestyle="none", **({"markersize": 4} | style))
    drawn.legend()
    return drawn.figure


def _best(payoff: np.ndarray[Any, Any], player: int) -> np.ndarray[Any, Any]:
    """Return where a player's action is best against the other's, dims (first action, second action)."""
    own = np.where(np.isnan(payoff[..., player]), -np.inf, payoff[..., player])
    top = own.max(axis=player, keepdims=True)
    found: np.ndarray[Any, Any] = own >= top - _SAME * np.abs(np.where(np.isfinite(top), top, 0.0))
    return found


def _marks(axes: Axes, best: Sequence[np.ndarray[Any, Any]], player: int) -> None:
    ours, theirs = best[player], best[1 - player]
    if player == 1:
        ours, theirs = ours.T, theirs.T
    size = max(2.0, min(4.0, 60.0 / max(ours.shape)))
    for where, style in (
        (ours, {"marker": "o", "color": _OWN, "markersize": size}),
        (
            theirs,
            {"marker": "x", "color": INK, "markersize": size, "markeredgewidth": 1.0, "path_effects": _HALO},
        ),
        (
            ours & theirs,
            {
                "marker": "o",
                "color": INK,
                "markerfacecolor": "none",
                "markersize": 2.2 * size,
                "path_effects": _HALO,
            },
        ),
    ):
        row, column = np.nonzero(where)
        axes.plot(column + 0.5, row + 0.5, linestyle="none", **style)


def _name_actions(axes: Axes, labels: np.ndarray[Any, Any], which: Literal["x", "y"]) -> None:
    every = max(1, -(-len(labels) // _MOST_NAMED))
    places = np.arange(0, len(labels), every)
    words = [one if isinstance(one, str) else f"{float(one):.4g}" for one in labels[places].tolist()]
    if which == "x":
        axes.set_xticks(places + 0.5, words)
        if sum(map(len, words)) > 26:
            axes.tick_params(axis="x", rotation=90)
    else:
        axes.set_yticks(places + 0.5, words)
    axes.tick_params(axis=which, length=0)


def _scale(drawn: Figure, axes: Axes, mesh: ScalarMappable, label: str) -> None:
    bar = drawn.colorbar(mesh, ax=axes, fraction=0.06, pad=0.02)
    bar.set_label(label)
    bar.outline.set_visible(False)
