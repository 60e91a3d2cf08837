"""The one table of every variable: its name, dimensions, unit and meaning.

Everything that labels an array (the Market, a Clearing, the ledger, figures, the reference pages) reads it
here, so that a unit is written once.
"""

from __future__ import annotations

from dataclasses import dataclass

LINK_RATE = "<link rate>"  # GB/s where bandwidth is physical, Mtok/s in token equivalents
LINK_USE = "<link use>"  # GB/Mtok where bandwidth is physical, 1 in token equivalents
LINK_PRICE = "<link price>"  # $/GB where bandwidth is physical, $/Mtok in token equivalents
LINK_SLOPE = "<link slope>"  # price per unit of load

_LINK_UNITS = {
    "GB/s": {LINK_RATE: "GB/s", LINK_USE: "GB/Mtok", LINK_PRICE: "$/GB", LINK_SLOPE: "$/GB per GB/s"},
    "Mtok/s": {LINK_RATE: "Mtok/s", LINK_USE: "1", LINK_PRICE: "$/Mtok", LINK_SLOPE: "$/Mtok per Mtok/s"},
}


@dataclass(frozen=True)
class Variable:
    """One variable of the package.

    Parameters
    ----------
    name : str
        Its name in every Dataset.
    dims : tuple of str
        Its dimensions, in order.
    unit : str
        Its unit; link quantities depend on how bandwidth is measured, see `unit_for`.
    long_name : str
        What it means, as an axis label.
    """

    name: str
    dims: tuple[str, ...]
    unit: str
    long_name: str

    def unit_for(self, link_unit: str = "GB/s") -> str:
        """Return the unit where links are measured in `link_unit` (``GB/s`` or ``Mtok/s``)."""
        return _LINK_UNITS[link_unit].get(self.unit, self.unit)

    def attrs(self, link_unit: str = "GB/s") -> dict[str, str]:
        """Return the attributes that an array of this variable carries."""
        return {"units": self.unit_for(link_unit), "long_name": self.long_name}


def _table(*rows: tuple[str, tuple[str, ...], str, str]) -> dict[str, Variable]:
    return {name: Variable(name, dims, unit, text) for name, dims, unit, text in rows}


_AK, _NK, _LK = ("asset", "workload"), ("node", "workload"), ("arc", "workload")

MARKET: dict[str, Variable] = _table(
    ("offer_price", _AK, "$/Mtok", "offer price"),
    ("capacity", _AK, "Mtok/s", "offered quantity"),
    ("power_use", _AK, "MW per Mtok/s", "power drawn per unit of service"),
    ("power_limit", ("asset",), "MW", "power of the asset"),
    ("demand", _NK, "Mtok/s", "demand"),
    ("value", _NK, "$/Mtok", "value of lost service"),
    ("route_cost", _LK, "$/Mtok", "route cost"),
    ("link_use", _LK, LINK_USE, "link use per unit of service"),
    ("allowed", _LK, "1", "whether the class may use the arc"),
    ("link_capacity", ("arc",), LINK_RATE, "link capacity"),
    ("link_curvature", ("arc",), LINK_SLOPE, "slope of the congestion charge"),
)
"""What a Market is made of (`block` and `step` may follow the dims of offers and demand)."""

CLEARING: dict[str, Variable] = _table(
    ("price", _NK, "$/Mtok", "locational marginal price"),
    ("dispatch", _AK, "Mtok/s", "dispatch"),
    ("flow", _LK, "Mtok/s", "flow"),
    ("unserved", _NK, "Mtok/s", "unserved demand"),
    ("scarcity_rent", _AK, "$/Mtok", "scarcity rent"),
    ("power_rent", ("asset",), "$/s per MW", "power rent"),
    ("congestion_rent", ("arc",), LINK_PRICE, "congestion rent"),
    ("total_cost", (), "$/h", "total cost as offered"),
)
"""What a Clearing answers."""

DECOMPOSITION: dict[str, Variable] = _table(
    ("energy", _NK, "$/Mtok", "offer at the serving node; its electricity where true costs are given"),
    ("running", _NK, "$/Mtok", "other true cost at the serving node, where true costs are given"),
    ("markup", _NK, "$/Mtok", "offer less true cost at the serving node, where true costs are given"),
    ("scarcity", _NK, "$/Mtok", "scarcity rent at the serving node"),
    ("routing", _NK, "$/Mtok", "route cost along the path"),
    ("congestion", _NK, "$/Mtok", "congestion rent along the path"),
    (
        "limits",
        _NK,
        "$/Mtok",
        "rents of further limits at the serving node and along the path, where there are any",
    ),
)
"""The parts of a price, which sum to it."""

PRICE_PARTS = ("energy", "running", "markup", "scarcity", "routing", "congestion")
"""The parts of a price where true costs are known, in the order in which they are stacked; in results each is
``price_<part>``."""

REFERENCE_SPLIT: dict[str, Variable] = _table(
    ("energy", _NK, "$/Mtok", "price at the reference"),
    ("routing", _NK, "$/Mtok", "route cost beside the reference, along routes in use"),
    ("congestion", _NK, "$/Mtok", "congestion rent beside the reference, along routes in use"),
    ("local", _NK, "$/Mtok", "difference to the reference that no route in use explains"),
)
"""The parts of a price beside a reference, which sum to it."""

SETTLEMENT: dict[str, Variable] = _table(
    ("payment", _NK, "$/h", "payment by demand"),
    ("revenue", _AK, "$/h", "revenue of the asset"),
    ("link_income", _LK, "$/h", "income of the link"),
    ("limit_income", ("limit",), "$/h", "income of the payee of a limit"),
    ("residual", (), "$/h", "money in less money out"),
)
"""Who pays whom, as a rate."""

_PNK, _PAK, _PLK = (("period", *dims) for dims in (_NK, _AK, _LK))

RESULTS: dict[str, Variable] = _table(
    ("price", _PNK, "$/Mtok", "locational marginal price"),
    ("price_energy", _PNK, "$/Mtok", "electricity part of the price"),
    ("price_running", _PNK, "$/Mtok", "running-cost part of the price"),
    ("price_markup", _PNK, "$/Mtok", "mark-up part of the price"),
    ("price_scarcity", _PNK, "$/Mtok", "scarcity part of the price"),
    ("price_routing", _PNK, "$/Mtok", "routing part of the price"),
    ("price_congestion", _PNK, "$/Mtok", "congestion part of the price"),
    ("demand", _PNK, "Mtok/s", "demand"),
    ("unserved", _PNK, "Mtok/s", "unserved demand"),
    ("payment", _PNK, "$/period", "payment by demand"),
    ("service_value", _PNK, "$/period", "value of the service to those served"),
    ("dispatch", _PAK, "Mtok/s", "dispatch"),
    ("offer_price", _PAK, "$/Mtok", "offer price"),
    ("offer_quantity", _PAK, "Mtok/s", "offered quantity"),
    ("scarcity_rent", _PAK, "$/Mtok", "scarcity rent"),
    ("power_rent", ("period", "asset"), "$/s per MW", "power rent"),
    ("revenue", _PAK, "$/period", "revenue of the asset"),
    ("cost", _PAK, "$/period", "true cost of the asset"),
    ("profit", ("period", "provider"), "$/period", "profit of the provider"),
    ("owner_income", ("period", "owner"), "$/period", "income of the network owner"),
    ("flow", _PLK, "Mtok/s", "flow"),
    ("link_income", _PLK, "$/period", "income of the link"),
    ("congestion_rent", ("period", "arc"), LINK_PRICE, "congestion rent"),
    ("link_use_share", ("period", "arc"), "1", "share of the link's capacity in use"),
    ("total_cost", ("period",), "$/period", "total cost as offered"),
    ("welfare", ("period",), "$/period", "value of service less true cost"),
    ("certificate", ("period",), "1", "largest optimality residual"),
)
"""What every run records."""

BACKLOG: dict[str, Variable] = _table(
    ("backlog", _PNK, "Mtok", "work that waits at the end of the period"),
    ("shed", _PNK, "Mtok", "waiting work lost at its deadline"),
)
"""What a run records beside, where a region's strategy lets work wait."""

REFERENCE: dict[str, Variable] = _table(
    ("reference_price", _NK, "$/Mtok", "price at which users want what the scenario says"),
)
"""What results have beside as coordinates, where a region's strategy asks for it: the same in all periods."""

LIMITS: dict[str, Variable] = _table(
    ("price_limits", _PNK, "$/Mtok", "part of further limits in the price"),
    ("site_rent", ("period", "node"), "$/s per MW", "rent of the site's grid connection"),
    ("limit_income", ("period", "limit"), "$/period", "income of the payee of a limit"),
)
"""What a run records beside, where the market has limits beyond those of links and of an asset's power; the rents of
limits of one's own stand beside `site_rent`, under the names that they give."""

MEASURES: dict[str, Variable] = _table(
    ("profit_rate", ("provider",), "$/h", "profit of the provider"),
    ("markup", ("provider",), "1", "mark-up of price over true cost"),
    ("offer_markup", ("provider",), "1", "mark-up of offer over true cost"),
    ("lerner", ("provider",), "1", "Lerner index"),
    ("sold", ("provider",), "Mtok/s", "service sold"),
    ("mean_price", ("workload",), "$/Mtok", "mean price, weighted by what was served"),
    ("unserved_share", ("workload",), "1", "share of demand not served"),
    ("consumer_surplus_rate", (), "$/h", "consumer surplus"),
    ("producer_surplus_rate", (), "$/h", "producer surplus"),
    ("network_surplus_rate", (), "$/h", "network surplus"),
    ("welfare_rate", (), "$/h", "welfare"),
)
"""What studies keep of each run: means over its periods."""

MARKET_POWER: dict[str, Variable] = _table(
    ("hhi", ("period", "workload"), "points", "Herfindahl-Hirschman index, weighted by demand"),
    ("lerner", ("period", "provider"), "1", "Lerner index"),
    ("residual_supply_index", ("period", "provider"), "1", "residual supply index"),
)
"""What `measures.market_power` makes of a run."""

STUDY_VARIABLES: dict[str, Variable] = _table(
    ("payoff", ("strategy", "rival", "seed", "provider"), "$/h", "profit of the provider"),
    ("history_action", ("round", "provider", "workload"), "1", "mark-up or share of capacity"),
    ("history_profit", ("round", "provider"), "$/h", "profit"),
    ("history_gain", ("round",), "$/h", "largest gain of a mover"),
)
"""What tournaments and searches for an equilibrium hold."""

STUDY_COORDINATES: dict[str, str] = {
    "strategy": "strategy",
    "rival": "strategy of the rivals",
    "seed": "seed of the run",
    "round": "round of best responses",
}
"""Dims of studies beside those of results."""

COORDINATES: dict[str, str] = {
    "asset_node": "node of the asset",
    "provider": "provider that owns the asset",
    "origin": "node where the arc starts",
    "destination": "node where the arc ends",
    "owner": "owner of the arc",
}
"""Coordinates along `asset` and `arc`."""

RESULT_COORDINATES: dict[str, str] = {
    "period": "period",
    "node": "node",
    "workload": "workload class",
    "asset": "asset",
    "arc": "arc",
    "provider": "compute provider",
    "owner": "network owner",
    "block": "block of the offer",
    "step": "step of demand",
    "asset_node": COORDINATES["asset_node"],
    "asset_provider": COORDINATES["provider"],
    "origin": COORDINATES["origin"],
    "destination": COORDINATES["destination"],
    "arc_owner": COORDINATES["owner"],
}
"""Coordinates of results. `provider` and `owner` are dimensions there (of profit and owner_income), which is
why the coordinates along `asset` and `arc` have names of their own."""
