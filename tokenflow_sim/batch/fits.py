"""Which batches can be stepped as arrays over the seeds, and why others cannot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields

from tokenflow_sim.model import TokenMarket
from tokenflow_sim.strategies.bandits import EXP3, UCB1, EpsilonGreedy
from tokenflow_sim.strategies.base import BaseStrategy, Kind
from tokenflow_sim.strategies.churn import Churn
from tokenflow_sim.strategies.composed import ByWorkload, Chain
from tokenflow_sim.strategies.deferrable import Deferrable
from tokenflow_sim.strategies.elastic import Growth, Inelastic, PriceElastic, SteppedDemand
from tokenflow_sim.strategies.external import ExternalBid, ExternalOffer, ExternalTender
from tokenflow_sim.strategies.linear_supply import LinearSupply
from tokenflow_sim.strategies.markups import AdaptiveMarkup, FixedMarkup, MarginalCost, Undercutting
from tokenflow_sim.strategies.q_learning import QLearning
from tokenflow_sim.strategies.roth_erev import RothErev
from tokenflow_sim.strategies.shading import BidShading, FixedShading
from tokenflow_sim.strategies.tariffs import CongestionTariff, FixedTariff

# Strategies that decide row by row, or group by group, and draw from their stream in every period alike. A subclass
# may do anything else.
_BY_ROW: frozenset[type[BaseStrategy]] = frozenset({
    MarginalCost, FixedMarkup, AdaptiveMarkup, Undercutting, LinearSupply,
    RothErev, QLearning, EpsilonGreedy, UCB1, EXP3,
    FixedTariff, CongestionTariff,
    Inelastic, Growth, PriceElastic, SteppedDemand, Churn, Deferrable, FixedShading, BidShading,
    ExternalOffer, ExternalTender, ExternalBid,
})  # fmt: skip


# What of a period's state, and which sections of a scenario, are stepped as arrays or reported below. What is not
# listed, an option that is newer than this list for example, keeps markets apart wherever it is used.
_OF_STATE = frozenset({
    "period", "true_cost", "running_cost", "capacity", "power_use", "power_limit", "demand", "value", "route_cost",
    "link_use", "allowed", "link_capacity", "link_curvature", "electricity_price", "emission_rate", "carbon_price",
    "carbon_cost", "availability",
    "limits", "asks_marginal", "routing", "delivery", "security", "activities", "grid", "pricing",
})  # fmt: skip
_SECTIONS = frozenset({
    "format", "name", "description", "periods", "hours", "start", "time_zone", "rules", "demand", "workloads", "nodes",
    "network", "electricity", "power", "carbon", "grid", "hardware", "providers", "owners", "regions", "zones",
    "residency", "delay", "limits", "outages", "security", "reserve", "outage_processes", "mergers",
    "contracts",
})  # fmt: skip
_RULES = frozenset({
    "bandwidth", "latency_rule", "latency_bounds", "must_serve", "shared_power", "publish_offers", "pricing", "k",
    "double_auction", "pivotal_value", "opex_adder", "congestion_curvature", "mitigation",
})  # fmt: skip


def reasons(model: TokenMarket) -> tuple[str, ...]:
    """Return why markets like that of a model are stepped one by one, a line for each reason; none if they are not.

    Parameters
    ----------
    model : TokenMarket
        The model of one of the seeds.
    """
    return (*_of_scenario(model), *_of_strategies(model))


def looks_back(model: TokenMarket) -> bool:
    """Whether some strategy that can be stepped as arrays looks at prices before the last ones."""
    return any(
        isinstance(one, Deferrable) and one.rule == "threshold"
        for agent in model.regions.values()
        for one in _parts(agent.strategy)
    )


def _parts(strategy: BaseStrategy) -> Iterator[BaseStrategy]:
    """Give a strategy and those that it is composed of."""
    yield strategy
    if isinstance(strategy, Chain):
        members: Iterable[BaseStrategy] = strategy.members
    else:
        members = strategy.members.values() if isinstance(strategy, ByWorkload) else ()
    for member in members:
        yield from _parts(member)


def _of_scenario(model: TokenMarket) -> Iterator[str]:
    compiled = model.settings.compiled
    if compiled.grid is not None:
        yield "grid: power is cleared with or after the tokens"
    if names := [limit.name for limit in model.ledger.plan.limits]:
        yield f"limits: the market has {', '.join(names)}"
    rules = compiled.path_rules
    if rules.routing is not None or rules.delivery is not None or rules.follows_load:
        yield "paths: rules hold from origin to server"
    if compiled.security is not None:
        yield "security: the schedule has to survive losses"
    state = compiled.state(0)
    for field in fields(state):
        if field.name not in _OF_STATE and getattr(state, field.name) not in (None, (), False):
            yield f"{field.name}: is not stepped as arrays yet"
    for prefix, part, known in (
        ("", model.settings, _SECTIONS), ("market.", model.settings.rules, _RULES)
    ):  # fmt: skip
        for name, section in type(part).model_fields.items():
            if name not in known and getattr(part, name) != section.get_default(call_default_factory=True):
                yield f"{prefix}{name}: is not stepped as arrays yet"
    if compiled.carbon.has_marginal or compiled.carbon_plan is not None:
        yield "carbon: marginal emissions are recorded, or a budget is spent over the run"


def _of_strategies(model: TokenMarket) -> Iterator[str]:
    kinds: tuple[Kind, ...] = ("provider", "owner", "region")
    for kind in kinds:
        alone: dict[str, list[str]] = {}
        for name, agent in getattr(model, f"{kind}s").items():
            if not _is_by_row(agent.strategy):
                alone.setdefault(type(agent.strategy).__name__, []).append(name)
        for strategy, names in alone.items():
            yield f"{kind}s: {strategy} of {', '.join(names)} decides for one market at a time"


def _is_by_row(strategy: BaseStrategy) -> bool:
    if type(strategy) in (Chain, ByWorkload):
        return all(_is_by_row(part) for part in _parts(strategy) if part is not strategy)
    if isinstance(strategy, BidShading) and not _is_by_row(strategy.rule):
        return False
    if isinstance(strategy, QLearning) and strategy.preset == "calvano" and strategy.baseline != "none":
        return False  # where a truthful market cannot be cleared, it does not even look at what rivals asked
    return type(strategy) in _BY_ROW
