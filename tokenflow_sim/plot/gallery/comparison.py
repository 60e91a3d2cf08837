"""A comparison of strategies: what each changes against the baseline, and how sure that is."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from tokenflow_sim.plot import text
from tokenflow_sim.plot.intervals import whiskers
from tokenflow_sim.plot.panels import OneOrMore, head, panels
from tokenflow_sim.plot.registry import Results, figure
from tokenflow_sim.plot.style import Columns, colours
from tokenflow_sim.variables import MEASURES

_PANELS = (
    ("profit_rate", "Profit", "$/h"),
    ("markup", "Mark-up", "percentage points"),
    ("welfare_rate", "Welfare", "$/h"),
    ("mean_price", "Mean price", "% of the baseline's"),
    ("unserved_share", "Unserved demand", "percentage points"),
)
_ROW = 0.24
_LABELS = 0.45  # inches of a row of panels for heads, ticks and labels


@figure("strategy", "seed", *(name for name, _, _ in _PANELS))
def comparison(results: Results, *, columns: Columns = 2, ax: OneOrMore | None = None) -> Figure:
    """Differences of each strategy from the baseline, with the confidence intervals of their means over seeds.

    Profit and mark-up are those of the provider that plays; where all do, profit is that of all together and the
    mark-up the mean over providers. Prices and unserved demand are drawn class by class. Means are over the seeds that
    all strategies finished.

    Parameters
    ----------
    ds : Dataset
        The `dataset` of `tf.compare`.
    columns : {1, 2}
        Columns of a printed page that the figure spans: 89 or 183 mm.
    ax : sequence of five Axes, optional
        Draw here instead of in a new figure.

    Returns
    -------
    Figure

    Raises
    ------
    ResultError
        If the Dataset is not that of a comparison.
    """
    # Not before they are needed: they load the solver.
    from tokenflow_sim.study.common import comparable, seeds_text
    from tokenflow_sim.study.compare import EVERYONE, differences

    baseline = results.ds.attrs.get("baseline")
    seeds = seeds_text(results.ds, baseline)
    ds, _ = comparable(results.ds, baseline)
    who = str(ds.attrs.get("provider", EVERYONE))
    found = differences(_of(ds, None if who == EVERYONE else who))
    rows = [str(name) for name in ds["strategy"].values if name != baseline]
    workloads = [str(name) for name in ds["workload"].values]
    palette = colours(workloads, "workload")
    across = 3 if columns == 2 else 1
    height = _LABELS + _ROW * max(len(rows), 2) * (1.0 if len(workloads) < 3 else 1.5)
    drawn = panels(len(_PANELS), ax, columns, figure="comparison", height=height, across=across)
    for place, (name, title, unit) in enumerate(_PANELS):
        difference = found[name].sel(strategy=rows)
        scale, shown = _scale(name, unit, ds, difference, str(baseline))
        names = workloads if "workload" in difference.dims else [""]
        series = []
        for one in names:
            chosen = difference.sel(workload=one) if one else difference
            factor = scale.sel(workload=one).item() if one else scale.item()
            ends = [chosen[end].values * factor for end in ("mean", "lower", "upper")]
            series.append((one, palette.get(one, "#332288"), ends[0], ends[1], ends[2]))
        handles = whiskers(drawn.axes[place], rows, series, shown, named=drawn.is_left(place))
        drawn.entries |= {text.name(label): handle for label, handle in handles.items() if label}
        head(drawn.axes[place], title)
    if drawn.own:
        confidence = 100 * float(ds.attrs["confidence"])
        drawn.figure.suptitle(
            text.plain(
                f"{text.name(who)}: change against {text.name(baseline, 40)}; {confidence:g} % intervals,"
                f" {seeds}"
            ),
            fontsize="small",
            x=0.01,
            ha="left",
        )
    drawn.legend()
    return drawn.figure


def _of(ds: xr.Dataset, who: str | None) -> xr.Dataset:
    """Return the measures drawn, of the provider that plays or of all."""
    chosen = ds[[name for name, _, _ in _PANELS]]
    if who is not None:
        return chosen.sel(provider=who).drop_vars("provider")
    return chosen.assign(
        profit_rate=chosen["profit_rate"].sum("provider", skipna=False),
        markup=chosen["markup"].mean("provider"),
    )


def _scale(
    name: str, unit: str, ds: xr.Dataset, difference: xr.Dataset, baseline: str
) -> tuple[xr.DataArray, str]:
    """Return what to multiply differences with, and the label of their axis."""
    if name == "mean_price":
        base = ds[name].sel(strategy=baseline).mean("seed")
        return (100.0 / base.where(base > 0)).drop_vars("strategy"), f"Change [{unit}]"
    factor = 100.0
    if MEASURES[name].unit == "$/h":
        ends = np.abs(difference[["lower", "upper", "mean"]].to_array().values)
        factor, prefix = text.prefixed(float(np.nanmax(ends, initial=0.0)))
        unit = prefix + unit
    blank = difference["mean"].isel(strategy=0, drop=True)
    return xr.full_like(blank, factor), text.plain(f"Change [{unit}]")
