"""A provider's supply and the demand that the others leave to it."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tokenflow_sim.numeric import Floats
from tokenflow_sim.plot import text
from tokenflow_sim.plot.gallery.dispatch_map import at_period, at_position
from tokenflow_sim.plot.panels import OneOrMore, dress_value, head, panels, say_nothing_happened
from tokenflow_sim.plot.registry import Results, figure
from tokenflow_sim.plot.sloped_offers import offers_of
from tokenflow_sim.plot.style import INK, Columns, colours
from tokenflow_sim.results.checked import party
from tokenflow_sim.results.dates import Period
from tokenflow_sim.results.reading import scenario_of, weighted_mean


@figure(
    "offer_price",
    "offer_quantity",
    "dispatch",
    "demand",
    "price",
    "revenue",
    "power_rent",
    "asset_node",
    "asset_provider",
)
def residual_demand(
    results: Results,
    provider: str | None = None,
    workload: str | None = None,
    *,
    period: Period | None = None,
    columns: Columns = 1,
    ax: OneOrMore | None = None,
) -> Figure:
    """Supply of a provider for a class, and the residual demand that the others' offers leave to it.

    Residual demand at a price is demand less all that others offer at that price or below, D(p) - S(p), as if the
    network were one node: links and latency limits, which bind in the market itself, are left out. Where an asset's
    power is used up, only what it leaves for the class counts as offered. Demand has the value of lost service of the
    scenario among the attributes, and is inelastic without one. The point is what the market dispatched, at the mean
    price of the provider's assets, weighted by dispatch: off the crossing of the curves, the network matters.

    Parameters
    ----------
    ds : Dataset or Clearing
        Results of a run, or of a single clearing.
    provider : str, optional
        By default the one with the largest revenue.
    workload : str, optional
        By default the class with the provider's largest revenue.
    period : int, str or datetime, optional
        The period, by its number or a date in it; by default the one with the provider's largest revenue.
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
        If the results lack what is needed, or the provider, class or period is unknown.
    """
    firms, classes = np.array(results.along("asset_provider")), results.names("workload", "price")
    earned = results["revenue"].values
    if provider is None:
        sums = {name: float(earned[:, firms == name].sum()) for name in dict.fromkeys(firms.tolist())}
        provider = max(sums, key=lambda name: sums[name])
    provider = party(results.figure, "provider", provider, firms.tolist())
    own = firms == provider
    if workload:
        k = classes.index(results.choose("workload", workload, "price")[0])
    else:
        k = int(earned[:, own].sum(axis=(0, 1)).argmax())
    is_one = period is not None or results.ds.sizes.get("period", 1) > 1
    if period is not None:
        results = at_period(results, period)
    elif is_one:
        results = at_position(results, int(earned[:, own, k].sum(axis=1).argmax()))

    price, quantity, used = offers_of(results, k)
    used_up = np.nan_to_num(results["power_rent"].values[0]) > 0
    quantity = np.where(used_up[:, None], used, quantity)
    output = used[own].sum(axis=1)
    asset_price = _asset_price(results)[own, k]
    at = float(weighted_mean(asset_price, output, axis=0)) if own.any() else 0.0
    demand = float(results["demand"].values[0, :, k].sum())
    value = _value(results, classes[k])
    prices = price[(quantity > 0) & np.isfinite(price)]
    # Where prices are far below the value of lost service, its level is told instead of drawn.
    usual = 1.5 * max(abs(one) for one in [at, *prices.tolist()]) or 1.0
    top = 1.1 * value if value <= 1.5 * usual else usual

    drawn = panels(1, ax, columns, figure="residual_demand", height=2.3)
    ax_ = drawn.axes[0]
    supply = supply_curve(price[own], quantity[own], top)
    others = supply_curve(price[~own], quantity[~own], min(value, top))
    colour = colours(results.providers, "provider")[provider]
    ax_.plot(supply[0], supply[1], color=colour, label="supply")
    residual = np.maximum(demand - others[0], 0.0)
    if value <= top:  # nobody pays more
        residual, others = np.append(residual, 0.0), (others[0], np.append(others[1], value))
    ax_.plot(residual, others[1], color=INK, linestyle=(0, (4, 1.5)), label="residual demand")
    ax_.plot(
        [output.sum()], [at], marker="o", color=INK, markersize=5, linestyle="none", zorder=6, clip_on=False
    )
    limit = max(float(supply[0].max()), float(residual.min()), float(output.sum())) or 1.0
    ax_.set_xlim(0.0, 1.1 * limit)
    gap = "\n" if columns == 1 and results.time.unit == "dates" else " "
    when = f",{gap}{results.time.name(0)}" if is_one else ""
    worth = f"value of lost service {text.number(value)}" if top < value < np.inf else ""
    head(ax_, f"{text.name(provider, 18)}: {text.name(classes[k], 18)}{when}", worth)
    if not supply[0].any():
        say_nothing_happened(ax_, "all its power is used by other classes, or nothing is offered")
    dress_value(ax_, text.labelled("Price", str(results.attrs("price")["units"])), from_zero=True)
    ax_.set_ylim(1.1 * min([0.0, at, *prices.tolist()]), top)
    ax_.set_xlabel(text.labelled("Quantity", str(results.attrs("dispatch")["units"])))
    ax_.xaxis.set_major_formatter(text.TickNumbers())
    drawn.entries = {
        "supply": Line2D([], [], color=colour),
        "residual demand": Line2D([], [], color=INK, linestyle=(0, (4, 1.5))),
        "dispatched": Line2D([], [], color=INK, marker="o", linestyle="none"),
    }
    drawn.legend()
    return drawn.figure


def supply_curve(price: Floats, quantity: Floats, top: float) -> tuple[Floats, Floats]:
    """Return the corners of a supply curve, from zero up to the price `top`: cumulated quantity, price."""
    usable = (quantity > 0) & np.isfinite(price) & (price <= top)
    price, quantity = price[usable], quantity[usable]
    order = np.argsort(price, kind="stable")
    reached = np.append(0.0, np.cumsum(quantity[order])).repeat(2)
    corners = np.concatenate([[0.0], price[order].repeat(2), [top]])
    return reached, corners


def _asset_price(results: Results) -> Floats:
    """Return the price that assets are paid at each one's node, dims (asset, workload)."""
    nodes = results.names("node", "price")
    place = [nodes.index(node) for node in results.along("asset_node")]
    paid = (
        "service_price" if "service_price" in results.ds else "price"
    )  # they differ where demand takes paths
    return np.asarray(results[paid].values[0][place])


def _value(results: Results, workload: str) -> float:
    """Return the value of lost service of a class in $/Mtok; infinite where it must be served."""
    scenario = scenario_of(results.ds)
    if scenario is None or scenario.rules.must_serve or workload not in scenario.workloads:
        return float("inf")
    value = scenario.workloads[workload].value
    return float("inf") if value is None else float(value)
