"""Environments whose learner is named by its kind: ``provider="atlas"``."""

from __future__ import annotations

from typing import Any

from tokenflow_sim.env.single import MarketEnv
from tokenflow_sim.env.vector import MarketVectorEnv
from tokenflow_sim.errors import Fault, InputError


def _learner(kind: str, name: str | None) -> str:
    if not isinstance(name, str):
        raise InputError([Fault(f"name the {kind} that learns, as {kind}=...", kind)], "environment")
    return name if name.startswith(f"{kind}s.") else f"{kind}s.{name}"


def provider_env(scenario: Any = "us20_oligopoly", provider: str | None = None, **given: Any) -> MarketEnv:
    """Return a `MarketEnv` in which a provider learns."""
    return MarketEnv(scenario, _learner("provider", provider), **given)


def owner_env(scenario: Any = "us20_oligopoly", owner: str | None = None, **given: Any) -> MarketEnv:
    """Return a `MarketEnv` in which a network owner learns."""
    return MarketEnv(scenario, _learner("owner", owner), **given)


def region_env(scenario: Any = "us20_oligopoly", region: str | None = None, **given: Any) -> MarketEnv:
    """Return a `MarketEnv` in which a demand region learns."""
    return MarketEnv(scenario, _learner("region", region), **given)


def provider_vector_env(
    num_envs: int = 1, scenario: Any = "us20_oligopoly", provider: str | None = None, **given: Any
) -> MarketVectorEnv:
    """Return a `MarketVectorEnv` in which a provider learns."""
    return MarketVectorEnv(num_envs, scenario, _learner("provider", provider), **given)


def owner_vector_env(
    num_envs: int = 1, scenario: Any = "us20_oligopoly", owner: str | None = None, **given: Any
) -> MarketVectorEnv:
    """Return a `MarketVectorEnv` in which a network owner learns."""
    return MarketVectorEnv(num_envs, scenario, _learner("owner", owner), **given)


def region_vector_env(
    num_envs: int = 1, scenario: Any = "us20_oligopoly", region: str | None = None, **given: Any
) -> MarketVectorEnv:
    """Return a `MarketVectorEnv` in which a demand region learns."""
    return MarketVectorEnv(num_envs, scenario, _learner("region", region), **given)
