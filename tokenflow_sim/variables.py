"""The one table of every variable: its name, dimensions, unit, meaning, and what else holds of it.

Everything that reads, checks, labels or sums an array (the Market, a Clearing, the ledger, measures, figures,
reports, the reference pages) reads it here, so that each fact is written once.
"""

from __future__ import annotations

from math import inf

from tokenflow_sim.variable import LINK_PRICE, LINK_RATE, LINK_SLOPE, LINK_USE, SLOPE
from tokenflow_sim.variable import Variable as Variable


def _table(*rows: Variable) -> dict[str, Variable]:
    return {row.name: row for row in rows}


_AK, _NK, _LK = ("asset", "workload"), ("node", "workload"), ("arc", "workload")

MARKET: dict[str, Variable] = _table(
    Variable(
        "offer_price", _AK, "$/Mtok", "offer price", "block", "mean", weight="capacity", may_be_negative=True
    ),
    Variable("capacity", _AK, "Mtok/s", "offered quantity", extra="block", may_broadcast=False),
    Variable(
        "offer_slope", _AK, SLOPE, "slope of the offer price", "block", "mean", "capacity", required=False
    ),
    Variable("power_use", _AK, "MW per Mtok/s", "power drawn per unit of service", required=False),
    Variable(
        "power_limit",
        ("asset",),
        "MW",
        "power of the asset",
        may_broadcast=False,
        may_be_infinite=True,
        required=False,
    ),
    Variable("demand", _NK, "Mtok/s", "demand", extra="step", may_broadcast=False),
    Variable(
        "value",
        _NK,
        "$/Mtok",
        "value of lost service",
        extra="step",
        collapse="mean",
        weight="demand",
        may_be_infinite=True,
        required=False,
        default=inf,
    ),
    Variable("value_slope", _NK, SLOPE, "slope of the value", "step", "mean", "demand", required=False),
    Variable("route_cost", _LK, "$/Mtok", "route cost", required=False, default=0.0),
    Variable("link_use", _LK, LINK_USE, "link use per unit of service", required=False, default=1.0),
    Variable("allowed", _LK, "1", "whether the class may use the arc", required=False, default=True),
    Variable(
        "link_capacity",
        ("arc",),
        LINK_RATE,
        "link capacity",
        may_broadcast=False,
        may_be_infinite=True,
        required="arc",
    ),
    Variable(
        "link_curvature", ("arc",), LINK_SLOPE, "slope of the congestion charge", required=False, default=0.0
    ),
)
"""What a Market is made of; each may lack the dimension `extra`."""

CLEARING: dict[str, Variable] = _table(
    Variable("price", _NK, "$/Mtok", "locational marginal price"),
    Variable("dispatch", _AK, "Mtok/s", "dispatch", extra="block"),
    Variable("flow", _LK, "Mtok/s", "flow"),
    Variable("unserved", _NK, "Mtok/s", "unserved demand", extra="step"),
    Variable("scarcity_rent", _AK, "$/Mtok", "scarcity rent", extra="block", collapse="max"),
    Variable("power_rent", ("asset",), "$/s per MW", "power rent"),
    Variable("congestion_rent", ("arc",), LINK_PRICE, "congestion rent"),
    Variable("total_cost", (), "$/h", "total cost as offered"),
)
"""What a Clearing answers."""

DECOMPOSITION: dict[str, Variable] = _table(
    Variable(
        "energy", _NK, "$/Mtok", "offer at the serving node; its electricity where true costs are given"
    ),
    Variable("running", _NK, "$/Mtok", "other true cost at the serving node, where true costs are given"),
    Variable("carbon", _NK, "$/Mtok", "carbon charge at the serving node, where there is a carbon price"),
    Variable("markup", _NK, "$/Mtok", "offer less true cost at the serving node, where true costs are given"),
    Variable("scarcity", _NK, "$/Mtok", "scarcity rent at the serving node"),
    Variable("routing", _NK, "$/Mtok", "route cost along the path"),
    Variable("congestion", _NK, "$/Mtok", "congestion rent along the path"),
    Variable(
        "limits",
        _NK,
        "$/Mtok",
        "rents of further limits at the serving node and along the path, where there are any",
    ),
)
"""The parts of a price, which sum to it."""

PRICE_PARTS = ("energy", "running", "markup", "scarcity", "routing", "congestion")
"""The parts of a price where true costs are known, as they are stacked; in results each is ``price_<part>``."""

ALL_PRICE_PARTS = ("energy", "running", "carbon", "markup", "scarcity", "limits", "routing", "congestion")
"""These parts with those of a carbon price and of further limits, which only markets with these have, as they are
stacked."""

REFERENCE_SPLIT: dict[str, Variable] = _table(
    Variable("energy", _NK, "$/Mtok", "price at the reference"),
    Variable("routing", _NK, "$/Mtok", "route cost beside the reference, along routes in use"),
    Variable("congestion", _NK, "$/Mtok", "congestion rent beside the reference, along routes in use"),
    Variable("local", _NK, "$/Mtok", "difference to the reference that no route in use explains"),
)
"""The parts of a price beside a reference, which sum to it."""

SETTLEMENT: dict[str, Variable] = _table(
    Variable("payment", _NK, "$/h", "payment by demand"),
    Variable("revenue", _AK, "$/h", "revenue of the asset"),
    Variable("link_income", _LK, "$/h", "income of the link"),
    Variable("limit_income", ("limit",), "$/h", "income of the payee of a limit"),
    Variable("residual", (), "$/h", "money in less money out"),
)
"""Who pays whom, as a rate."""

_PNK, _PAK, _PLK, _PA, _PL = (("period", *dims) for dims in (_NK, _AK, _LK, ("asset",), ("arc",)))
_PP = ("period", "provider")

RESULTS: dict[str, Variable] = _table(
    Variable("price", _PNK, "$/Mtok", "locational marginal price"),
    Variable("price_energy", _PNK, "$/Mtok", "electricity part of the price"),
    Variable("price_running", _PNK, "$/Mtok", "running-cost part of the price"),
    Variable("price_markup", _PNK, "$/Mtok", "mark-up part of the price"),
    Variable("price_scarcity", _PNK, "$/Mtok", "scarcity part of the price"),
    Variable("price_routing", _PNK, "$/Mtok", "routing part of the price"),
    Variable("price_congestion", _PNK, "$/Mtok", "congestion part of the price"),
    Variable("demand", _PNK, "Mtok/s", "demand", extra="step"),
    Variable("unserved", _PNK, "Mtok/s", "unserved demand", extra="step"),
    Variable("payment", _PNK, "$/period", "payment by demand"),
    Variable("service_value", _PNK, "$/period", "value of the service to those served"),
    Variable("dispatch", _PAK, "Mtok/s", "dispatch", extra="block"),
    Variable(
        "offer_price", _PAK, "$/Mtok", "offer price", extra="block", collapse="mean", weight="offer_quantity"
    ),
    Variable("offer_quantity", _PAK, "Mtok/s", "offered quantity", extra="block", may_be_infinite=True),
    Variable("scarcity_rent", _PAK, "$/Mtok", "scarcity rent", extra="block", collapse="max"),
    Variable("power_rent", ("period", "asset"), "$/s per MW", "power rent"),
    Variable("revenue", _PAK, "$/period", "revenue of the asset"),
    Variable("cost", _PAK, "$/period", "true cost of the asset"),
    Variable("profit", ("period", "provider"), "$/period", "profit of the provider"),
    Variable("owner_income", ("period", "owner"), "$/period", "income of the network owner"),
    Variable("flow", _PLK, "Mtok/s", "flow"),
    Variable("link_income", _PLK, "$/period", "income of the link"),
    Variable("congestion_rent", ("period", "arc"), LINK_PRICE, "congestion rent"),
    Variable("link_use_share", ("period", "arc"), "1", "share of the link's capacity in use"),
    Variable("total_cost", ("period",), "$/period", "total cost as offered"),
    Variable("welfare", ("period",), "$/period", "value of service less true cost"),
    Variable("certificate", ("period",), "1", "largest optimality residual"),
)
"""What every run records."""

BACKLOG: dict[str, Variable] = _table(
    Variable("backlog", _PNK, "Mtok", "work that waits at the end of the period", required=False),
    Variable("shed", _PNK, "Mtok", "waiting work lost at its deadline", required=False),
)
"""What a run records beside, where a region's strategy lets work wait."""

SLOPES: dict[str, Variable] = _table(
    Variable(
        "offer_slope",
        _PAK,
        SLOPE,
        "slope of the offer price",
        "block",
        "mean",
        "offer_quantity",
        required=False,
    ),
    Variable("value_slope", _PNK, SLOPE, "slope of the value", "step", "mean", "demand", required=False),
)
"""What a run records beside, where a strategy offers or bids along lines."""

EMISSIONS: dict[str, Variable] = _table(
    Variable("emissions", _PAK, "t/period", "emissions of CO2 equivalents by the asset", required=False),
    Variable("emission_price", ("period", "node"), "$/t", "price of emissions", required=False),
    Variable(
        "carbon_payment", _PAK, "$/period", "what the asset pays to the state for emissions", required=False
    ),
    Variable("price_carbon", _PNK, "$/Mtok", "carbon part of the price", required=False),
    Variable("marginal_emissions", _PNK, "t/Mtok", "emissions of one more Mtok demanded", required=False),
)
"""What a run records beside: `emissions` where the sites of assets have a carbon intensity, what emitting costs where
there is a carbon price, and the marginal emissions where a scenario asks for them."""

AVAILABILITY: dict[str, Variable] = _table(
    Variable("asset_availability", _PA, "1", "share of the asset that outages leave", required=False),
    Variable("link_availability", _PL, "1", "share of the link that outages leave", required=False),
)
"""What a run records beside, where the scenario has outages."""
OPERATOR = _table(Variable("operator_budget", ("period",), "$/period", "operator's budget", required=False))
"""What a run records beside, where the pricing rule is not ``lmp``; below zero a deficit."""
DELIVERY: dict[str, Variable] = _table(
    Variable("service_price", _PNK, "$/Mtok", "price that assets there are paid", required=False),
    Variable("delivered_latency", _PNK, "ms", "mean latency of service, by origin", required=False),
    Variable("delivered_within", (*_PNK, "bound"), "Mtok/s", "delivered within so many ms", required=False),
    Variable("residency_cost", ("period", "rule"), "$/Mtok", "shadow cost of the rule", required=False),
)
"""What a run records beside, where rules hold along whole paths or delay grows with load."""

REFERENCE: dict[str, Variable] = _table(
    Variable(
        "reference_price", _NK, "$/Mtok", "price at which users want what the scenario says", required=False
    ),
)
"""What results have beside as coordinates, where a region's strategy asks for it: the same in all periods."""

LIMITS: dict[str, Variable] = _table(
    Variable("price_limits", _PNK, "$/Mtok", "part of further limits in the price", required=False),
    Variable("site_rent", ("period", "node"), "$/s per MW", "rent of the grid connection", required=False),
    Variable("link_delay_rent", ("period", "arc"), LINK_PRICE, "delay on the link", required=False),
    Variable("site_delay_rent", ("period", "queue"), "$/s per unit", "delay at the site", required=False),
    Variable("reserve_rent", ("period", "reserve"), "$/Mtok", "price of reserve", required=False),
    Variable("security_rent", ("period", "contingency"), "$/Mtok", "price of the loss", required=False),
    Variable("reserve_payment", _PA, "$/period", "revenue from reserve and security", required=False),
    Variable("carbon_rent", ("period", "carbon_zone"), "$/t", "price of a permit of a cap", required=False),
    Variable(
        "limit_income", ("period", "limit"), "$/period", "income of the payee of a limit", required=False
    ),
)
"""What a run records beside, where the market has limits beyond those of links and of an asset's power; the rents of
limits of a user stand beside `site_rent`, under the names that they give."""

_PB, _PG, _PL = (("period", dim) for dim in ("bus", "generator", "line"))

GRID: dict[str, Variable] = _table(
    Variable("bus_price", _PB, "$/MWh", "price of power at the bus", required=False),
    Variable("local_load", _PB, "MW", "load at the bus beside the market's assets", required=False),
    Variable("load_payment", _PB, "$/period", "payment by local load for power", required=False),
    Variable("generation", _PG, "MW", "power generated", required=False),
    Variable("curtailment", _PG, "MW", "power curtailed: available and not used", required=False),
    Variable("generator_income", _PG, "$/period", "income of the generator", required=False),
    Variable("generation_cost", _PG, "$/period", "cost of generation", required=False),
    Variable("line_flow", _PL, "MW", "power carried by the line, positive in its direction", required=False),
    Variable("line_rent", _PL, "$/MWh", "rent of the line's limit", required=False),
    Variable("line_income", _PL, "$/period", "income of the grid operator by the line", required=False),
    Variable("power_drawn", ("period", "asset"), "MW", "power drawn by the asset", required=False),
    Variable("power_cost", _PAK, "$/period", "cost of the power bought by the asset", required=False),
    Variable("bus_intensity", _PB, "g/kWh", "carbon intensity of the power taken at the bus", required=False),
    Variable("generator_emissions", _PG, "t/period", "emissions of the generator", required=False),
    Variable("generator_carbon_payment", _PG, "$/period", "paid by generators for emissions", required=False),
    Variable(
        "marginal_intensity", _PB, "g/kWh", "emissions of one more MWh taken at the bus", required=False
    ),
)
"""What a run records beside, where the scenario has a power grid; the last four where generators have emissions."""

CONTRACTS: dict[str, Variable] = _table(
    Variable(
        "contract_quantity", ("period", "contract"), "Mtok/s", "quantity of the contract", required=False
    ),
    Variable(
        "contract_payment", ("period", "contract"), "$/period", "paid by seller to buyer", required=False
    ),
    Variable("contract_income", _PP, "$/period", "income of the provider from contracts", required=False),
)
"""What a run records beside, where the scenario has forward contracts; `profit` does not contain it."""

MITIGATION: dict[str, Variable] = _table(
    Variable(
        "submitted_price", _PAK, "$/Mtok", "offer price as submitted, before mitigation", extra="block",
        collapse="mean", weight="offer_quantity", required=False,
    ),
    Variable(
        "submitted_slope", _PAK, SLOPE, "slope of the offer price as submitted", "block", "mean", "offer_quantity",
        required=False,
    ),
    Variable("mitigated", _PAK, "1", "whether the offer was replaced", required=False),
    Variable("failed_test", _PAK, "1", "whether the pivotal-supplier test was failed there", required=False),
)  # fmt: skip
"""What a run records beside, where the scenario has market-power mitigation; the slope where a strategy offers along
lines."""

MEASURES: dict[str, Variable] = _table(
    Variable("profit_rate", ("provider",), "$/h", "profit of the provider, contracts included"),
    Variable("markup", ("provider",), "1", "mark-up of price over true cost"),
    Variable("offer_markup", ("provider",), "1", "mark-up of offer over true cost"),
    Variable("lerner", ("provider",), "1", "Lerner index"),
    Variable("sold", ("provider",), "Mtok/s", "service sold"),
    Variable("mean_price", ("workload",), "$/Mtok", "mean price, weighted by what was served"),
    Variable("unserved_share", ("workload",), "1", "share of demand not served"),
    Variable("eue_rate", ("workload",), "Mtok/h", "expected unserved demand"),
    Variable("lolp", ("workload",), "1", "loss-of-load probability"),
    Variable("consumer_surplus_rate", (), "$/h", "consumer surplus"),
    Variable("producer_surplus_rate", (), "$/h", "producer surplus"),
    Variable("network_surplus_rate", (), "$/h", "network surplus"),
    Variable("welfare_rate", (), "$/h", "welfare"),
)
"""What studies keep of each run: means over its periods."""

VARIABLES = (
    RESULTS
    | BACKLOG
    | SLOPES
    | EMISSIONS
    | LIMITS
    | AVAILABILITY
    | GRID
    | DELIVERY
    | OPERATOR
    | CONTRACTS
    | MITIGATION
)
"""Whatever a run of any market may record."""

MARKET_POWER: dict[str, Variable] = _table(
    Variable("hhi", ("period", "workload"), "points", "Herfindahl-Hirschman index, weighted by demand"),
    Variable("lerner", ("period", "provider"), "1", "Lerner index"),
    Variable("residual_supply_index", ("period", "provider"), "1", "residual supply index"),
)
"""What `measures.market_power` makes of a run."""

STUDY_VARIABLES: dict[str, Variable] = _table(
    Variable("payoff", ("strategy", "rival", "seed", "provider"), "$/h", "profit of the provider"),
    Variable("history_action", ("round", "provider", "workload"), "1", "mark-up or share of capacity"),
    Variable("history_profit", ("round", "provider"), "$/h", "profit"),
    Variable("history_gain", ("round",), "$/h", "largest gain of a mover"),
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
    "time": "begin of the period",
    "node": "node",
    "workload": "workload class",
    "asset": "asset",
    "arc": "arc",
    "provider": "compute provider",
    "owner": "network owner",
    "queue": "queue at a site",
    "bound": "latency in ms within which it is delivered",
    "rule": "residency rule",
    "block": "block of the offer",
    "step": "step of demand",
    "bus": "bus of the grid",
    "generator": "generator",
    "line": "line of the grid",
    "generator_bus": "bus of the generator",
    "line_from": "bus where the line starts",
    "line_to": "bus where the line ends",
    "asset_bus": "bus where the asset draws power",
    "carbon_zone": "zone of a carbon cap",
    "contract": "forward contract",
    "contract_node": "node whose price the contract is settled at",
    "contract_workload": "class whose price the contract is settled at",
    "contract_seller": "who sold the contract",
    "contract_buyer": "who bought the contract",
    "asset_node": COORDINATES["asset_node"],
    "asset_provider": COORDINATES["provider"],
    "origin": COORDINATES["origin"],
    "destination": COORDINATES["destination"],
    "arc_owner": COORDINATES["owner"],
}
"""Coordinates of results. `provider` and `owner` are dimensions there (of profit and owner_income), which is
why the coordinates along `asset` and `arc` have names of their own."""
