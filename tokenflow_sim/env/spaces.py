"""Spaces of observations and actions, as Gymnasium describes them."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces

from tokenflow_sim.strategies.encoding import Encoding


def observation_space(encoding: Encoding) -> spaces.Box:
    """Return the space of an agent's observations: float32 from -1 (0 where nothing is negative) to 1."""
    low = encoding.observation.low
    return spaces.Box(low, np.ones_like(low), dtype=np.float32)


def action_space(encoding: Encoding) -> spaces.Space[Any]:
    """Return the space of an agent's actions.

    A Box of numbers from -1 to 1 in continuous form; in discrete form the number of an arm, or one for each group.
    """
    action = encoding.action
    if action.actions.form == "continuous":
        return spaces.Box(-1.0, 1.0, action.shape, dtype=np.float32)
    if action.groups == 1:
        return spaces.Discrete(len(action.arms))
    return spaces.MultiDiscrete(np.full(action.groups, len(action.arms)))
