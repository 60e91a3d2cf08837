"""An equilibrium of an oligopoly as one labelled Dataset."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr

from tokenflow_sim.market.arrays import Arrays
from tokenflow_sim.market.certificate import Certificate
from tokenflow_sim.market.values import link_loads
from tokenflow_sim.numeric import SECONDS_PER_HOUR, Floats
from tokenflow_sim.study.affine import AffineMarket
from tokenflow_sim.variables import CLEARING


class Equilibrium(NamedTuple):
    """What an equilibrium is, as plain arrays in Mtok/s and $/Mtok.

    Parameters
    ----------
    price, consumption, transmission : ndarray
        Dims (node, workload).
    sales : ndarray
        Dims (provider, node, workload).
    dispatch, flow, congestion_rent : ndarray
        As of a clearing.
    certificate : Certificate
        Its residuals.
    marginal_cost : ndarray or None
        Dims (provider, workload).
    converged : bool
        Whether it is one.
    rounds : int
        How many it took.
    """

    price: Floats
    consumption: Floats
    transmission: Floats
    sales: Floats
    dispatch: Floats
    flow: Floats
    congestion_rent: Floats
    certificate: Certificate
    marginal_cost: Floats | None = None
    converged: bool = True
    rounds: int = 1


def cost_of(arrays: Arrays, dispatch: Floats) -> Floats:
    """Return what offers cost at a dispatch in $/s, dims (asset, workload)."""
    cost = arrays.offer_price * dispatch
    if arrays.offer_slope is not None:
        cost = cost + 0.5 * arrays.offer_slope * dispatch * dispatch
    return np.asarray(cost.sum(axis=2))


def oligopoly_dataset(affine: AffineMarket, found: Equilibrium, **attrs: object) -> xr.Dataset:
    """Label an equilibrium.

    Parameters
    ----------
    affine : AffineMarket
        The market.
    found : Equilibrium
        The equilibrium.
    **attrs
        Further attributes.
    """
    market = affine.market
    layout, arrays = market.layout, market.arrays
    nodes, classes = ("node", layout.nodes), ("workload", layout.workloads)
    firms = ("provider", np.array(affine.providers, dtype=object))

    def label(values: Floats, unit: str, meaning: str, *dims: tuple[str, object]) -> xr.DataArray:
        coords = dict(dims)
        return xr.DataArray(values, coords, tuple(coords), attrs={"units": unit, "long_name": meaning})

    # A unit brought to a node costs what transmission does, wherever it was made.
    made = found.dispatch.sum(axis=2)
    carried = found.transmission[layout.asset_node] * made
    revenue = ((found.price - found.transmission) * found.sales).sum(axis=(1, 2))
    cost = cost_of(arrays, found.dispatch)
    profit = revenue + np.bincount(affine.provider_of, (carried - cost).sum(axis=1), len(affine.providers))
    surplus = 0.5 * (affine.slope * found.consumption**2).sum()
    transport = float((arrays.route_cost * found.flow).sum())
    transport += 0.5 * float((arrays.link_curvature * link_loads(arrays, found.flow) ** 2).sum())
    valued = (affine.intercept * found.consumption).sum() - surplus
    welfare = valued - cost.sum() - transport
    paid = float((found.price * found.consumption).sum())
    income = paid - float(profit.sum()) - float(cost.sum()) - transport
    seconds = SECONDS_PER_HOUR
    data = {
        "price": label(found.price, "$/Mtok", "price", nodes, classes),
        "consumption": label(found.consumption, "Mtok/s", "demand served", nodes, classes),
        "transmission_price": label(found.transmission, "$/Mtok", "price of transmission", nodes, classes),
        "sales": label(found.sales, "Mtok/s", "sales", firms, nodes, classes),
        "dispatch": layout.label(CLEARING["dispatch"], found.dispatch),
        "flow": layout.label(CLEARING["flow"], found.flow),
        "congestion_rent": layout.label(CLEARING["congestion_rent"], found.congestion_rent),
        "profit": label(profit * seconds, "$/h", "profit", firms),
        "consumer_surplus": label(np.asarray(surplus * seconds), "$/h", "consumer surplus"),
        "network_income": label(np.asarray(income * seconds), "$/h", "income of the network beyond its cost"),
        "welfare": label(np.asarray(welfare * seconds), "$/h", "value of service less true cost"),
    }
    if found.marginal_cost is not None:
        data["marginal_cost"] = label(found.marginal_cost, "$/Mtok", "marginal cost", firms, classes)
    certificate = found.certificate
    return xr.Dataset(
        data,
        attrs={
            "players": [name for name, plays in zip(affine.providers, affine.plays, strict=True) if plays],
            **{name: int(value) if isinstance(value, bool) else value for name, value in attrs.items()},
            "converged": int(found.converged),
            "rounds": found.rounds,
            "certificate_primal": certificate.primal,
            "certificate_dual": certificate.dual,
            "certificate_complementarity": certificate.complementarity,
            "certificate_gap": certificate.gap,
        },
    )
