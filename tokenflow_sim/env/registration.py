"""The ids under which ``gymnasium.make`` finds the environments."""

from __future__ import annotations

from typing import Any

import gymnasium

NAMESPACE = "tokenflow_sim"
SINGLE, VECTOR = "tokenflow_sim.env.single:MarketEnv", "tokenflow_sim.env.vector:MarketVectorEnv"
IDS: dict[str, dict[str, Any]] = {
    f"{NAMESPACE}/Market-v0": {},
    f"{NAMESPACE}/us5-v0": {"scenario": "us5", "agent": "dallas_dc"},
    f"{NAMESPACE}/us20_oligopoly-v0": {"scenario": "us20_oligopoly", "agent": "atlas"},
}
"""Each id with the arguments that it stands for; `Market` takes any scenario and agent."""
KINDS = ("Provider", "Owner", "Region")
"""Ids that name their learner by its kind: ``gymnasium.make("tokenflow_sim/Provider-v0", provider="atlas")``."""


def register() -> None:
    """Register all ids with Gymnasium; does nothing for those that it knows already.

    Notes
    -----
    The number at the end of an id rises when a trained policy would meet another environment: other observations,
    actions, rewards or transitions.
    """
    for name, given in IDS.items():
        if name not in gymnasium.registry:
            gymnasium.register(name, entry_point=SINGLE, vector_entry_point=VECTOR, kwargs=given)
    for kind in KINDS:
        if (name := f"{NAMESPACE}/{kind}-v0") not in gymnasium.registry:
            word = kind.lower()
            gymnasium.register(
                name,
                entry_point=f"tokenflow_sim.env.by_kind:{word}_env",
                vector_entry_point=f"tokenflow_sim.env.by_kind:{word}_vector_env",
            )
