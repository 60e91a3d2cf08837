"""Where a model of Stable-Baselines3 and its environments stand, for checkpoints."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np

from tokenflow_sim.learning.checkpoint import random_state, set_random_state


def model_state(model: Any) -> dict[str, Any]:
    """Return everything that the next step of a model depends on.

    Parameters
    ----------
    model : BaseAlgorithm
        A model of Stable-Baselines3, between two rollouts.

    Returns
    -------
    dict
        ``model``, what Stable-Baselines3 saves of it; ``env``, ``action_space``, ``replay`` and ``random``, which it
        leaves out: where the environments and random numbers stand, and what is to be learnt from again.
    """
    file = io.BytesIO()
    model.save(file)  # networks, optimisers, counters, the last observation
    buffer = getattr(model, "replay_buffer", None)
    return {
        "model": file.getvalue(),
        "env": _env_state(model.get_env()),
        "action_space": model.action_space.np_random.bit_generator.state,
        "replay": None if buffer is None else _filled(buffer),
        "random": random_state(),
    }


def restored(cls: Any, env: Any, state: Mapping[str, Any]) -> Any:
    """Return the model that `model_state` was taken of.

    Parameters
    ----------
    cls : type
        Its class.
    env : VecEnv
        Environments made with the same arguments; they are brought to where its own stood.
    state : mapping
        What `model_state` returned.
    """
    model = cls.load(io.BytesIO(state["model"]), env=env, device="cpu", force_reset=False)
    _set_env_state(env, state["env"])
    # Loading seeds what draws random numbers; all goes back to where it stood.
    model.action_space.np_random.bit_generator.state = state["action_space"]
    if state["replay"] is not None:
        _fill(model.replay_buffer, state["replay"])
    set_random_state(state["random"])
    return model


def _env_state(env: Any) -> dict[str, Any]:
    """Return where environments stand: a vector of one, whose monitor adds up an episode's rewards, or a batch."""
    if not hasattr(env, "envs"):
        found: dict[str, Any] = env.get_state()
        return found
    (monitor,) = env.envs
    return {"market": monitor.unwrapped.get_state(), "rewards": list(monitor.rewards)}


def _set_env_state(env: Any, state: Mapping[str, Any]) -> None:
    if not hasattr(env, "envs"):
        env.set_state(state)
        return
    (monitor,) = env.envs
    monitor.reset()
    monitor.unwrapped.set_state(state["market"])
    monitor.rewards = list(state["rewards"])


def _filled(buffer: Any) -> dict[str, Any]:
    """Return the rows of a replay buffer that are in use, by name, and where it goes on."""
    rows = buffer.buffer_size if buffer.full else buffer.pos
    arrays = {
        name: array[:rows]
        for name, array in vars(buffer).items()
        if isinstance(array, np.ndarray) and len(array) == buffer.buffer_size
    }
    return {"arrays": arrays, "pos": buffer.pos, "full": buffer.full}


def _fill(buffer: Any, state: Mapping[str, Any]) -> None:
    for name, rows in state["arrays"].items():
        getattr(buffer, name)[: len(rows)] = rows
    buffer.pos, buffer.full = state["pos"], state["full"]
