"""Results as a run would record them, made without the model: consistent to the cent, any size."""

from __future__ import annotations

import numpy as np
import xarray as xr

from tokenflow_sim.variables import RESULTS

CLASSES = ("chat", "image", "code", "batch")
_LEVEL = np.array([0.05, 25.0, 0.10, 0.50])  # $/Mtok where nothing is scarce
_BASE = np.array([0.05, 0.005, 0.03, 0.01])  # Mtok/s at weight 1
_PROVIDERS = (
    "atlas",
    "borealis",
    "cirrus",
    "delta",
    "ember",
    "fjord",
    "glacier",
    "harbour",
    "isle",
    "juniper",
    "kelp",
)
_CITIES = (
    "ashburn",
    "dallas",
    "silicon_valley",
    "chicago",
    "seattle",
    "atlanta",
    "new_york",
    "phoenix",
    "denver",
)


def fake_results(
    periods: int = 168,
    nodes: int = 20,
    providers: int = 6,
    owners: int = 3,
    classes: int = 4,
    hours: float = 1.0,
    seed: int = 0,
    shortage: float = 1.0,
) -> xr.Dataset:
    """Make results with daily and weekly shapes, a scarce evening, and money in equal to money out."""
    rng = np.random.default_rng(seed)
    level, base = (np.resize(values, classes) for values in (_LEVEL, _BASE))
    names = [_CITIES[i] if i < len(_CITIES) else f"hub_{i:04d}" for i in range(nodes)]
    firms = [_PROVIDERS[i] if i < len(_PROVIDERS) else f"provider_{i}" for i in range(providers)]
    carriers = ["backbone", "east_fibre", "west_fibre", *(f"owner_{i}" for i in range(3, owners))][:owners]

    weight = rng.lognormal(0.0, 0.6, nodes)
    clock = np.arange(periods)[:, None] * hours - np.linspace(0, 3, nodes)
    daily = 1.0 - 0.45 * np.cos(2 * np.pi * (clock - 2) / 24) - 0.1 * ((clock // 24) % 7 >= 5)
    noise = np.exp(np.cumsum(rng.normal(0, 0.03, (periods, nodes, classes)), axis=0) * 0.3)
    demand = 35 * daily[..., None] * weight[:, None] * base * noise

    at = np.repeat(np.arange(nodes), 2)
    firm = np.concatenate([rng.permutation(providers)[:2] if providers > 1 else [0, 0] for _ in range(nodes)])
    assets = len(at)
    average = demand.mean(axis=(0, 1))
    quantity = (
        rng.uniform(0.5, 1.5, (assets, 1)) * average * 0.5 * (1.28 / shortage) * np.ones((periods, 1, 1))
    )
    cost_per = level * rng.uniform(0.7, 1.1, (assets, 1))
    offered = quantity.sum(axis=1)
    served = np.minimum(demand.sum(axis=1), offered)
    tight = np.clip(demand.sum(axis=1) / offered, 0, 1.2)
    share = np.clip(tight[:, None] * rng.uniform(0.75, 1.3, (1, assets, 1)), 0, 1)
    dispatch = quantity * share
    dispatch *= (served / dispatch.sum(axis=1))[:, None]
    dispatch = np.minimum(dispatch, quantity)
    unserved = demand * (1 - dispatch.sum(axis=1) / demand.sum(axis=1))[:, None]

    premium = 1 + 0.15 * rng.random((nodes, 1)) * tight[:, None]
    scarce = 1 + 6 * np.clip(tight - 0.9, 0, None)
    offer = level * np.ones((periods, nodes, classes)) * rng.uniform(0.85, 1.0, (nodes, 1))
    parts = {
        "price_energy": 0.5 * offer,
        "price_running": 0.25 * offer,
        "price_markup": 0.25 * offer,
        "price_scarcity": level * (scarce[:, None] - 1) * np.ones((nodes, 1)),
        "price_routing": level * 0.02 * rng.random((nodes, 1)) * np.ones((periods, 1, 1)),
        "price_congestion": level * (premium - 1) * scarce[:, None],
    }
    price = np.sum(list(parts.values()), axis=0)
    seconds = 3600 * hours
    payment = price * (demand - unserved) * seconds
    revenue = price[:, at] * dispatch * seconds
    over = (0.985 if nodes > 1 else 1.0) * payment.sum(axis=(1, 2)) / revenue.sum(axis=(1, 2))
    revenue *= over[:, None, None]
    cost = np.minimum(cost_per * dispatch * seconds, revenue * 1.02)

    pairs = [
        (i, (i + step) % nodes)
        for i in range(nodes)
        for step in (1, 2)
        if nodes > 1 and (i + step) % nodes != i
    ]
    arcs = [f"{names[i]}->{names[j]}" for i, j in dict.fromkeys(pairs)]
    ends = list(dict.fromkeys(pairs))
    use = rng.beta(1.2, 2.0, len(arcs)) * daily.mean(axis=1)[:, None] * 1.3
    use = np.where(use > 0.97, 1.0, use)
    flow = use[..., None] * rng.dirichlet(np.ones(classes), len(arcs)) * 2.0
    owner = np.array([carriers[i % owners] for i in range(len(arcs))], dtype=object)
    gap = payment.sum(axis=(1, 2)) - revenue.sum(axis=(1, 2))
    carried = flow / flow.sum(axis=(1, 2), keepdims=True) if arcs else flow
    income = carried * gap[:, None, None]

    firm_names = np.array(firms, dtype=object)[firm]
    profit = np.stack([(revenue - cost)[:, firm_names == name].sum(axis=(1, 2)) for name in firms], axis=1)
    takes = [income[:, owner == name].sum(axis=(1, 2)) for name in carriers]
    arrays = parts | {
        "price": price,
        "demand": demand,
        "unserved": unserved,
        "payment": payment,
        "service_value": payment * 4,
        "dispatch": dispatch,
        "offer_price": cost_per * np.ones((periods, 1, 1)),
        "offer_quantity": quantity,
        "scarcity_rent": np.maximum(price[:, at] - cost_per, 0),
        "power_rent": np.zeros((periods, assets)),
        "revenue": revenue,
        "cost": cost,
        "profit": profit,
        "owner_income": np.stack(takes, axis=1),
        "flow": flow,
        "link_income": income,
        "congestion_rent": np.where(use >= 1, 0.02, 0.0),
        "link_use_share": use,
        "total_cost": cost.sum(axis=(1, 2)),
        "welfare": payment.sum(axis=(1, 2)) * 3,
        "certificate": np.full(periods, 1e-12),
    }
    coords = {
        "period": np.arange(periods),
        "node": names,
        "workload": [CLASSES[i] if i < 4 else f"class_{i}" for i in range(classes)],
        "asset": [f"{firm_names[i]}@{names[at[i]]}" for i in range(assets)],
        "provider": firms,
        "owner": carriers,
        "arc": arcs,
        "asset_node": ("asset", [names[i] for i in at]),
        "asset_provider": ("asset", firm_names),
        "origin": ("arc", [names[i] for i, _ in ends]),
        "destination": ("arc", [names[j] for _, j in ends]),
        "arc_owner": ("arc", owner),
    }
    data = {
        name: (RESULTS[name].dims, values, RESULTS[name].attrs("Mtok/s")) for name, values in arrays.items()
    }
    return xr.Dataset(
        data, coords, {"scenario": f"format: 1\nname: fake\nhours: {hours}\nperiods: {periods}\n"}
    )
