"""The state of a whole market as one vector, for critics that are trained centrally."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from numpy.typing import NDArray

from tokenflow_sim.model import TokenMarket
from tokenflow_sim.numeric import Floats
from tokenflow_sim.scenario import Compiled
from tokenflow_sim.strategies.base import Kind
from tokenflow_sim.strategies.encoding_scales import scales_of
from tokenflow_sim.strategies.observation_encoding import FIELDS, ObservationEncoding, Quantity

PARTS: dict[Kind, tuple[str, ...]] = {
    "provider": ("cost", "capacity", "last_price", "last_dispatch"),
    "owner": ("route_cost", "capacity", "last_flow", "last_congestion_rent"),
    "region": ("demand", "value", "published_price", "published_unserved", "day", "week"),
}
"""What of the whole market is in the state, as if one agent had everything: its own rows are all rows."""
_LAST = ("last_price", "last_dispatch", "last_flow", "last_congestion_rent")


class Overview:
    """The state of a market: true costs, what exists and what is wanted in the next period, prices of the last one.

    Parameters
    ----------
    compiled : Compiled
        The scenario as arrays.

    Notes
    -----
    It shows what no agent sees. Numbers are scaled as observations are; `encodings` lists them.
    """

    def __init__(self, compiled: Compiled) -> None:
        layout = compiled.layout
        labels = {
            "workload": tuple(map(str, layout.workloads)),
            "node": tuple(map(str, layout.nodes)),
            "market_asset": tuple(map(str, layout.assets)),
        }
        indexes = {"provider": layout.assets, "owner": layout.arcs, "region": layout.nodes}
        self.encodings: list[ObservationEncoding] = []
        for kind, names in PARTS.items():
            scales = scales_of(compiled, kind, np.arange(len(indexes[kind])))
            quantities = tuple(Quantity(name, scales[FIELDS[kind][name].scale]) for name in names)
            rows = {"row": tuple(map(str, indexes[kind]))}
            self.encodings.append(ObservationEncoding(kind, {**rows, **labels}, quantities))

    @property
    def low(self) -> NDArray[np.float32]:
        """Least values, dims (entry,); the greatest are 1."""
        return np.concatenate([encoding.low for encoding in self.encodings])

    def __call__(self, model: TokenMarket) -> NDArray[np.float32]:
        """Return the state of a model before its next period, dims (entry,)."""
        state, result = model.upcoming, model.clearing_house.result
        last: dict[str, Floats | None] = dict.fromkeys(_LAST)
        if result is not None:
            values = result.values
            numbers = result.asset_price, result.dispatch, values.flow, values.congestion_rent
            last = dict(zip(_LAST, numbers, strict=True))
        everything = SimpleNamespace(
            name="market", period=model.period, periods=model.periods, hours=model.hours,
            history=model.clearing_house.history, cost=state.true_cost, route_cost=state.route_cost,
            demand=state.demand, value=state.value, capacity=state.capacity,
            **last,
        )  # fmt: skip
        links = SimpleNamespace(**{**vars(everything), "capacity": state.link_capacity})
        views = {"provider": everything, "owner": links, "region": everything}
        return np.concatenate([encoding(views[encoding.kind]) for encoding in self.encodings])
