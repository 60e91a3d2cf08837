"""The environments that agents are trained in, made of a scenario, or given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from tokenflow_sim.env import MarketEnv, MarketVectorEnv, ParallelMarket
from tokenflow_sim.errors import Fault, InputError
from tokenflow_sim.scenario import Scenario, load_scenario

Market = str | Path | Scenario | MarketEnv | ParallelMarket
"""A scenario, by name or path or itself, or an environment of `tokenflow_sim.env`."""


def description(market: Market, options: Mapping[str, Any]) -> str:
    """Return the name of a market's scenario and the beginning of its text's digest, by which it is known again."""
    if isinstance(market, (MarketEnv, ParallelMarket)):
        scenario = market.setting.scenario
    else:
        scenario = load_scenario(market, options.get("overrides"))
    return f"{scenario.name} {sha256(scenario.to_yaml().encode()).hexdigest()[:16]}"


def single(market: Market, agent: str | None, options: Mapping[str, Any]) -> MarketEnv:
    """Return the environment of one learner.

    Raises
    ------
    InputError, ScenarioError
        If the arguments do not fit each other, or have faults.
    """
    if isinstance(market, ParallelMarket):
        raise InputError([Fault("has several learners; use train_independent", "market")], "training")
    if isinstance(market, MarketEnv):
        _refuse_beside(agent=agent, environment=options or None)
        return market
    return MarketEnv(market, agent, **options)


def many(market: Market, agent: str | None, options: Mapping[str, Any], count: int) -> MarketVectorEnv:
    """Return so many environments of one learner, which begin again in the step in which they end.

    Raises
    ------
    InputError, ScenarioError
        If the arguments do not fit each other, or have faults.
    """
    if isinstance(market, (MarketEnv, ParallelMarket)):
        fault = Fault("is one already; several are made of a scenario", "market")
        raise InputError([fault], "training in several environments")
    return MarketVectorEnv(count, market, agent, autoreset_mode="SameStep", **options)


def several(market: Market, agents: str | Sequence[str] | None, options: Mapping[str, Any]) -> ParallelMarket:
    """Return the environment of several learners.

    Raises
    ------
    InputError, ScenarioError
        If the arguments do not fit each other, or have faults.
    """
    if isinstance(market, MarketEnv):
        raise InputError([Fault("has one learner; use train", "market")], "training")
    if isinstance(market, ParallelMarket):
        _refuse_beside(agents=agents, environment=options or None)
        return market
    return ParallelMarket(market, agents, **options)


def _refuse_beside(**given: object) -> None:
    """Refuse what an environment that is given already says."""
    faults = [
        Fault("is said by the environment already; leave it out", name)
        for name, value in given.items()
        if value is not None
    ]
    if faults:
        raise InputError(faults, "training")
