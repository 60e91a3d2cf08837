"""Draw each strategy at work in a small scarce market: ``uv run python docs/figures/strategies.py [NAME ...]``.

The table beside this file, strategies.yaml, says what is played; pictures go to docs/images/strategies/.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import numpy as np
import xarray as xr
import yaml
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import tokenflow_sim as tf
from tokenflow_sim.plot.style import INK, HouseFigure, colours, dashes, house_style
from tokenflow_sim.strategies.base import Kind
from tokenflow_sim.strategies.registry import names

HERE = Path(__file__).resolve().parent
IMAGES = HERE.parent / "images" / "strategies"
TABLE: dict[str, Any] = yaml.safe_load((HERE / "strategies.yaml").read_text(encoding="utf-8"))
SCENES: dict[str, dict[str, Any]] = TABLE["scenes"] or {}
SUBJECT: dict[Kind, str] = {"provider": "big", "owner": "net", "region": "city"}
TRUTHFUL: dict[Kind, str] = {"provider": "marginal_cost", "owner": "fixed_tariff", "region": "inelastic"}
GREY = "#999999"


@dataclass
class Scene:
    """One strategy at work, and the same market without it.

    Parameters
    ----------
    kind : {'provider', 'owner', 'region'}
        Whose strategy it is.
    name : str
        Its name.
    subject : str
        The agent that the figure shows.
    ds, plain : Dataset
        Results with the strategy, and with the subject truthful.
    """

    kind: Kind
    name: str
    subject: str
    ds: xr.Dataset
    plain: xr.Dataset
    played: Mapping[str, Any] = field(default_factory=dict)


def play(kind: Kind, name: str) -> Scene:
    """Play the scene of a strategy, twice with the same seed."""
    told = SCENES.get(name) or {}
    subject = told.get("subject", SUBJECT[kind])
    chosen = told.get("play", {subject: {"name": name}})
    overrides = {"periods": told.get("periods", 168), **told.get("overrides", {})}
    scenario = tf.Scenario.from_yaml(TABLE["scenario"]).override(overrides)
    runs = []
    for strategies in (chosen, {**chosen, subject: told.get("against", TRUTHFUL[kind])}):
        model = tf.TokenMarket(scenario, rng=1, strategies=strategies)
        model.run()
        runs.append(model.results())
    return Scene(kind, name, subject, *runs, played=chosen)


def draw_provider(scene: Scene, axes: list[Axes]) -> None:
    """Draw mark-ups and prices at the provider's first site, and what the strategy gains."""
    ds, plain, hours = scene.ds, scene.plain, np.arange(scene.ds.sizes["period"])
    asset = ds.asset.values[ds.asset_provider.values == scene.subject][0]
    offered, cost = ds.offer_price.sel(asset=asset), cost_of(ds).sel(asset=asset)
    node = str(ds.asset_node.sel(asset=asset).item())
    classes = [str(name) for name in ds.workload.values]
    shade, dash = colours(classes, "workload"), dashes(classes)
    shown, what = 100 * (offered / cost - 1), "mark-up"
    if float(abs(shown).max()) < 1e-9:
        # A strategy of quantities: prices are at cost, and what is offered says all.
        share = (ds.offer_quantity / plain.offer_quantity).where(plain.offer_quantity > 0)
        asset = str((share.mean(("period", "workload"))).idxmin("asset").item())
        shown, what = 100 * share.sel(asset=asset), "quantity offered"
    for name in classes:
        rows = shown.sel(workload=name)
        lines = rows.values if rows.ndim == 2 else rows.values[:, None]
        for block in range(lines.shape[1]):
            label = name if block == 0 else None
            axes[0].step(hours, lines[:, block], where="mid", color=shade[name], ls=dash[name], label=label)
        axes[1].plot(hours, plain.price.sel(node=node, workload=name), color=GREY, ls=dash[name], lw=1.0)
        axes[1].plot(hours, ds.price.sel(node=node, workload=name), color=shade[name], ls=dash[name])
    gain = (ds.profit - plain.profit).sel(provider=scene.subject).cumsum("period") / 1e3
    axes[2].axhline(0.0, color=GREY, lw=0.8)
    axes[2].plot(hours, gain, color=INK)
    earned = float(plain.profit.sel(provider=scene.subject).sum()) / 1e3
    axes[0].set_title(f"{scene.subject} plays {scene.name}: {what} of {asset}")
    axes[0].set_ylabel("over cost, %" if what == "mark-up" else "of capacity, %")
    if what != "mark-up":
        axes[0].set_ylim(0.0, 110.0)
    axes[1].set_title(f"Price at {node}; grey: had it been truthful")
    axes[1].set_ylabel("$/Mtok")
    axes[2].set_title(f"Profit gained over truthful offers, which earn {earned:,.0f} k$")
    axes[2].set_ylabel("k$, summed")
    legend(axes[0], len(classes))


def legend(ax: Axes, columns: int) -> None:
    """Write the legend above the panel, beside its title, where no line can be."""
    ax.legend(loc="lower right", bbox_to_anchor=(1.0, 1.01), ncols=columns)
    low, high = ax.get_ylim()
    if high - low < 0.1 * abs(high):  # a line that hardly moves should look so
        ax.set_ylim(0.0, 1.2 * high)


def cost_of(ds: xr.Dataset) -> xr.DataArray:
    """Return true cost in $/Mtok, dims (period, asset, workload): what a truthful run of the same seed offers."""
    scenario = tf.Scenario.from_yaml(ds.attrs["scenario"])
    rows = [scenario.market(period).to_dataset().offer_price for period in range(ds.sizes["period"])]
    return xr.concat(rows, "period", coords="minimal", compat="override")


def draw_owner(scene: Scene, axes: list[Axes]) -> None:
    """Draw the flow on the owner's first arc, its congestion rent, and what the strategy gains."""
    ds, plain, hours = scene.ds, scene.plain, np.arange(scene.ds.sizes["period"])
    gain = (ds.owner_income - plain.owner_income).sel(owner=scene.subject).cumsum("period") / 1e3
    busiest = plain.flow.sum(("period", "workload")).idxmax("arc").item()
    for one, shade in ((plain, GREY), (ds, INK)):
        axes[0].plot(hours, 100 * one.link_use_share.sel(arc=busiest), color=shade)
        axes[1].plot(hours, one.congestion_rent.sel(arc=busiest), color=shade)
    axes[2].axhline(0.0, color=GREY, lw=0.8)
    axes[2].plot(hours, gain, color=INK)
    axes[0].set_title(f"{scene.subject} plays {scene.name}: use of {busiest}; grey: fixed tariff")
    axes[0].set_ylabel("% of capacity")
    axes[1].set_title("Congestion rent")
    axes[1].set_ylabel(ds.congestion_rent.attrs["units"])
    axes[2].set_title("Income gained")
    axes[2].set_ylabel("k$, summed")


def draw_region(scene: Scene, axes: list[Axes]) -> None:
    """Draw what is asked for at the region's first node, the price, and what waits or is not served."""
    ds, plain, hours = scene.ds, scene.plain, np.arange(scene.ds.sizes["period"])
    node = scene.subject if scene.subject in ds.node.values else str(ds.node.values[0])
    classes = [str(name) for name in ds.workload.values]
    shade, dash, waits = colours(classes, "workload"), dashes(classes), "backlog" in ds
    for name in classes:
        for one, colour in ((plain, GREY), (ds, shade[name])):
            label = name if one is ds else None
            last = one.backlog / 1e3 if "backlog" in one else 0 * one.price if waits else total(one.unserved)
            for ax, array in zip(axes, (total(one.demand), one.price, last), strict=True):
                row = array.sel(node=node, workload=name)
                ax.plot(hours, row, color=colour, ls=dash[name], lw=1.2 if one is ds else 1.0, label=label)
    axes[0].set_title(f"{scene.subject} plays {scene.name}: demand bid at {node}; grey: inelastic")
    axes[0].set_ylabel("Mtok/s")
    axes[1].set_title("Price")
    axes[1].set_ylabel("$/Mtok")
    axes[2].set_title("Work that waits" if waits else "Bid and not served")
    axes[2].set_ylabel("1000 Mtok" if waits else "Mtok/s")
    legend(axes[0], len(classes))


def total(array: xr.DataArray) -> xr.DataArray:
    """Return the sum over steps, where there are any."""
    return array.sum("step") if "step" in array.dims else array


DRAW = {"provider": draw_provider, "owner": draw_owner, "region": draw_region}


def draw(scene: Scene) -> Figure:
    """Draw a scene."""
    with house_style():
        figure = HouseFigure(figsize=(7.2, 4.6), layout="constrained")
        axes = list(figure.subplots(3, 1, sharex=True))
        DRAW[scene.kind](scene, axes)
        axes[2].set_xlabel("hours")
        axes[2].set_xticks(np.arange(0, scene.ds.sizes["period"] + 1, 24))
        figure.align_ylabels(axes)
    return figure


def main() -> None:
    """Draw the strategies that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", metavar="NAME", help="strategies to draw; all if left out")
    wanted = parser.parse_args().names
    found = {name: kind for kind in get_args(Kind) for name in names(kind)}
    if unknown := [name for name in wanted if name not in found]:
        parser.error(f"unknown strategies: {', '.join(unknown)}; known: {', '.join(found)}")
    IMAGES.mkdir(parents=True, exist_ok=True)
    for name in wanted or found:
        path = IMAGES / f"{name}.png"
        draw(play(found[name], name)).savefig(path, dpi=150)
        print(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


if __name__ == "__main__":
    main()
