"""Training of one agent by an algorithm of Stable-Baselines3, with checkpoints that resume to the same bits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from tokenflow_sim.errors import Fault, InputError, unknown_name
from tokenflow_sim.learning.checkpoint import read_checkpoint, taking_up, write_checkpoint
from tokenflow_sim.learning.environments import Market, description, many, single
from tokenflow_sim.learning.export import Format, export_policy
from tokenflow_sim.learning.learning_curve import LearningCurve
from tokenflow_sim.learning.libraries import load
from tokenflow_sim.learning.model_state import model_state, restored
from tokenflow_sim.learning.session import (
    Progress,
    check_numbers,
    made,
    prepare,
    resumable,
    training,
    versions,
    written,
)  # fmt: skip

Algorithm = Literal["ppo", "a2c", "dqn", "sac", "td3"]
ALGORITHMS: dict[str, str] = {"ppo": "PPO", "a2c": "A2C", "dqn": "DQN", "sac": "SAC", "td3": "TD3"}
"""Algorithms by name, with their classes in Stable-Baselines3."""
_ROLLOUT, _MINIBATCH = 2048, 64
"""Steps of a rollout and of a minibatch of PPO in Stable-Baselines3, unless others are given."""
_WITH_REPLAY = ("dqn", "sac", "td3")


def train(
    market: Market,
    agent: str | None = None,
    *,
    algorithm: Algorithm = "ppo",
    steps: int,
    out: str | Path,
    seed: int = 0,
    parameters: Mapping[str, Any] | None = None,
    environment: Mapping[str, Any] | None = None,
    environments: int = 1,
    checkpoint: int = 20_000,
    resume: bool = False,
    force: bool = False,
    tensorboard: bool = True,
    format: Format = "safetensors",
    progress: Progress | None = None,
) -> Path:
    """Train an agent of a market among built-in rivals, and write its policy.

    Parameters
    ----------
    market : str, Path, Scenario or gymnasium.Env
        A scenario, or a Gymnasium environment of `tokenflow_sim.env` that was made already.
    agent : str, optional
        The provider, owner or region that learns; not with an environment, which has one.
    algorithm : {'ppo', 'a2c', 'dqn', 'sac', 'td3'}
        The algorithm. DQN needs discrete actions, SAC and TD3 need continuous ones: ``environment={"actions": ...}``.
    steps : int
        Periods to learn from. A training that is resumed may be given more.
    out : str or Path
        Folder for the policy, the checkpoint, ``learning_curve.csv`` and TensorBoard's log.
    seed : int
        Seed of networks, exploration and environment.
    parameters : mapping, optional
        Parameters of the algorithm in place of Stable-Baselines3's, e.g. ``{"gamma": 0.9, "n_steps": 512}``.
    environment : mapping, optional
        Parameters of the environment, e.g. ``{"actions": "discrete"}``.
    environments : int
        How many markets of different seeds it learns from at once, stepped together as a `MarketVectorEnv`. PPO's
        rollouts then hold as many steps as of one market, unless ``n_steps``, which counts those of each, is given.
        DQN, SAC and TD3 learn as often as they step, so seldomer for each period: ``gradient_steps`` makes up for it.
    checkpoint : int
        Least number of steps between two checkpoints.
    resume : bool
        Whether to go on with the training in `out`, to the same bits as if it had never stopped. The unfinished
        episode is played again to where it stood, which takes as long as it took.
    force : bool
        Whether to replace the training in `out`.
    tensorboard : bool
        Whether to log to TensorBoard, where it is installed.
    format : {'safetensors', 'onnx'}
        Format of the policy's network.
    progress : callable, optional
        Called with the steps taken and all.

    Returns
    -------
    Path
        The folder, which `LearnedPolicy` plays.

    Raises
    ------
    InputError
        If an argument is out of range, settings differ from those of the training to resume, or a library is missing.
    ResultError
        If the folder holds a training, there is none to resume, its checkpoint does not fit, or it cannot be written.

    Warns
    -----
    UserWarning
        If a training is resumed that other versions of this package or of a library have begun.

    Notes
    -----
    Bits are those of one machine with one version of PyTorch. The checkpoint is a pickle: resume only your own.

    Examples
    --------
    >>> train("us5", "dallas_dc", steps=100_000, out="policies/dallas")
    >>> tf.TokenMarket("us5", strategies={"dallas_dc": tf.LearnedPolicy("policies/dallas")}).run()
    """
    if algorithm not in ALGORITHMS:
        raise InputError([Fault(unknown_name("algorithm", algorithm, list(ALGORITHMS)))], "training")
    check_numbers(steps, checkpoint, seed, environments)
    baselines = load("stable_baselines3", "training")
    folder = prepare(out, resume, force)
    cls = getattr(baselines, ALGORITHMS[algorithm])
    settings = {
        "algorithm": algorithm,
        "agent": agent,
        "seed": seed,
        "parameters": written(parameters or {}),
        "environment": written(environment or {}),
        "environments": environments,
        "scenario": description(market, environment or {}),
        "versions": versions(),
    }
    with training():
        state = read_checkpoint(folder, settings) if resume else None
        curve = LearningCurve(folder, tensorboard, [] if state is None else state["curve"])
        env = _vectorised(market, agent, environment, environments)
        if state is None:
            given = dict(parameters or {})
            if algorithm in _WITH_REPLAY:  # the usual million would be mostly empty
                given.setdefault("buffer_size", min(1_000_000, steps))
            if algorithm == "ppo" and environments > 1:
                given.setdefault("n_steps", _steps_of_each(environments, given.get("batch_size", _MINIBATCH)))
            model = made(cls, "MlpPolicy", env, seed=seed, device="cpu", **given)
        else:
            with taking_up(folder):
                model = restored(cls, env, state)
        with resumable(folder):
            _learn(model, steps, folder, settings, curve, checkpoint, progress)
        return export_policy(model, folder, format=format)


def _vectorised(
    market: Market, agent: str | None, environment: Mapping[str, Any] | None, environments: int
) -> Any:
    """Return the environment, or so many of them, as Stable-Baselines3 takes them."""
    if environments > 1:
        from tokenflow_sim.learning.batched_env import BatchedEnv

        return BatchedEnv(many(market, agent, environment or {}, environments))
    vectors = load("stable_baselines3.common.vec_env", "training")
    monitor = load("stable_baselines3.common.monitor", "training").Monitor
    return vectors.DummyVecEnv([lambda: monitor(single(market, agent, environment or {}))])


def _steps_of_each(environments: int, minibatch: int) -> int:
    """Return steps of each market that make a rollout of Stable-Baselines3's usual size, of whole minibatches."""
    steps = -(-_ROLLOUT // environments)
    return steps + (-steps % (minibatch // math.gcd(environments, minibatch)))


def _learn(
    model: Any,
    steps: int,
    folder: Path,
    settings: Mapping[str, Any],
    curve: LearningCurve,
    checkpoint: int,
    progress: Progress | None,
) -> None:
    """Learn until all steps are taken; a checkpoint ends it."""
    from tokenflow_sim.learning.watch import Watch

    def keep() -> None:
        curve.write()
        write_checkpoint(folder, {"settings": settings, "curve": curve.rows, **model_state(model)})

    model.set_logger(load("stable_baselines3.common.logger", "training").Logger(None, []))
    watch = Watch(curve, keep, checkpoint, steps, progress)
    left = steps - model.num_timesteps
    if left > 0:
        model.learn(left, callback=watch, log_interval=None, reset_num_timesteps=model.num_timesteps == 0)
        watch.note()
    keep()
    curve.close()
