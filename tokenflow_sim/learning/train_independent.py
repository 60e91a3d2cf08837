"""Independent PPO: several agents of a market learn side by side, each from what it sees and earns itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tokenflow_sim.errors import Fault, InputError
from tokenflow_sim.learning.checkpoint import read_checkpoint, taking_up, write_checkpoint
from tokenflow_sim.learning.environments import Market, description, several
from tokenflow_sim.learning.export import Format, export_policy
from tokenflow_sim.learning.learner import Learner
from tokenflow_sim.learning.learning_curve import LearningCurve
from tokenflow_sim.learning.libraries import load
from tokenflow_sim.learning.session import (
    Progress,
    check_numbers,
    folder_of,
    prepare,
    resumable,
    training,
    versions,
    written,
)  # fmt: skip

DEFAULTS: dict[str, Any] = {"n_steps": 2048, "batch_size": 256}
"""Parameters in place of Stable-Baselines3's: larger batches learn from a rollout in half the time."""

Evaluate = Callable[[int, dict[str, Path]], object]
"""Called with the periods learnt from so far and each agent's folder, whose policy is as it is then."""


def train_independent(
    market: Market,
    agents: str | Sequence[str] | None = None,
    *,
    steps: int,
    out: str | Path,
    seed: int = 0,
    parameters: Mapping[str, Any] | None = None,
    environment: Mapping[str, Any] | None = None,
    checkpoint: int = 20_000,
    resume: bool = False,
    force: bool = False,
    tensorboard: bool = True,
    format: Format = "safetensors",
    progress: Progress | None = None,
    evaluate: Evaluate | None = None,
) -> dict[str, Path]:
    """Train several agents of a market side by side by independent PPO, and write their policies.

    Parameters
    ----------
    market : str, Path, Scenario or pettingzoo.ParallelEnv
        A scenario, or a parallel environment of `tokenflow_sim.env` that was made already.
    agents : str or sequence of str, optional
        Who learns: names, or ``providers``, ``owners`` or ``regions``; all providers if left out. Not with an
        environment, which says so itself.
    steps : int
        Periods to learn from. A training that is resumed may be given more.
    out : str or Path
        Folder for the checkpoint, ``learning_curve.csv`` and TensorBoard's log, with a folder for each policy.
    seed : int
        Seed of networks, exploration and environment. Each agent has its own stream by its name.
    parameters : mapping, optional
        Parameters of `stable_baselines3.PPO` in place of the defaults, which are its own but for `DEFAULTS`.
    environment : mapping, optional
        Parameters of the environment, e.g. ``{"actions": "discrete"}``.
    checkpoint, resume, force, tensorboard, format, progress
        As `train` takes them.
    evaluate : callable, optional
        Called before every checkpoint, with the periods learnt from and the policies as they are then, to play them
        for example. A training that was interrupted may call it again with the same.

    Returns
    -------
    dict of Path
        Each agent's folder, which `LearnedPolicy` plays.

    Raises
    ------
    InputError, ResultError
        As `train` does.

    Warns
    -----
    UserWarning
        As `train` does.

    Notes
    -----
    Every agent has networks of its own, shares nothing, and takes the others for a part of its environment (de Witt
    et al., 2020). All act in a period before any sees what came of it. They learn after the same periods.

    References
    ----------
    C. Schroeder de Witt et al., "Is Independent Learning All You Need in the StarCraft Multi-Agent Challenge?",
    arXiv:2011.09533 (2020). J. Schulman et al., "Proximal Policy Optimization Algorithms", arXiv:1707.06347 (2017).
    """
    check_numbers(steps, checkpoint, seed)
    load("stable_baselines3", "training")
    folder = prepare(out, resume, force)
    settings = {
        "algorithm": "independent ppo",
        "agents": agents if agents is None or isinstance(agents, str) else list(agents),
        "seed": seed,
        "parameters": written({**DEFAULTS, **(parameters or {})}),
        "environment": written(environment or {}),
        "scenario": description(market, environment or {}),
        "versions": versions(),
    }
    with training():
        state = read_checkpoint(folder, settings) if resume else None
        env = several(market, agents, environment or {})
        curve = LearningCurve(folder, tensorboard, [] if state is None else state["curve"])
        loop = _Loop(env, {**DEFAULTS, **(parameters or {})}, seed, curve)
        if state is None:
            loop.begin()
        else:
            with taking_up(folder):
                loop.set_state(state)

        def policies() -> dict[str, Path]:
            return {
                name: export_policy(
                    learner.model, folder / folder_of(name), encoding=env.encoding(name), format=format
                )
                for name, learner in loop.learners.items()
            }

        while loop.done < steps:
            kept = loop.done
            with resumable(folder):
                while loop.done < steps and loop.done - kept < checkpoint:
                    loop.rollout(steps, progress)
            curve.write()
            if evaluate is not None:
                evaluate(loop.done, policies())
            write_checkpoint(folder, {"settings": settings, "curve": curve.rows, **loop.get_state()})
        curve.close()
        return policies()


class _Loop:
    """All learners on one environment."""

    def __init__(
        self,
        env: Any,
        parameters: Mapping[str, Any],
        seed: int,
        curve: LearningCurve,
    ) -> None:
        self.env, self.seed, self.curve = env, seed, curve
        self.learners = {
            name: Learner(
                env.observation_space(name), env.action_space(name), parameters, _seed_of(seed, name)
            )
            for name in env.possible_agents
        }
        if not self.learners:
            raise InputError([Fault("nobody learns; name at least one agent", "agents")], "training")
        self.steps_of_rollout = next(iter(self.learners.values())).model.n_steps
        self.returns = dict.fromkeys(self.learners, 0.0)
        self.done, self.starts = 0, True

    def begin(self) -> None:
        """Begin the first episode."""
        self.observations, _ = self.env.reset(seed=self.seed)

    def rollout(self, steps: int, progress: Progress | None) -> None:
        """Play the periods of one rollout, and have all learn from them."""
        env, learners = self.env, self.learners
        ended: dict[str, list[float]] = {name: [] for name in learners}
        for _ in range(self.steps_of_rollout):
            actions = {name: learner.act(self.observations[name]) for name, learner in learners.items()}
            seen, rewards, terminated, truncated, _ = env.step(actions)
            over = not env.agents
            for name, learner in learners.items():
                is_cut = over and truncated[name] and not terminated[name]
                learner.receive(rewards[name], self.starts, seen[name] if is_cut else None)
                self.returns[name] += rewards[name]
                if over:
                    ended[name].append(self.returns[name])
                    self.returns[name] = 0.0
            self.observations = env.reset()[0] if over else seen
            self.starts = over
            self.done += 1
            if progress is not None:
                progress(min(self.done, steps), steps)
        row: dict[str, float] = {}
        for name, learner in learners.items():
            found = learner.learn(self.observations[name], self.starts, max(0.0, 1.0 - self.done / steps))
            if ended[name]:
                row[f"{name}/return"] = float(np.mean(ended[name]))
            row |= {f"{name}/{key.removeprefix('train/')}": value for key, value in found.items()}
        self.curve.add(self.done, row)

    def get_state(self) -> dict[str, Any]:
        """Return everything that the next rollout depends on."""
        return {
            "env": self.env.get_state(),
            "done": self.done,
            "starts": self.starts,
            "returns": self.returns,
            "learners": {name: learner.get_state() for name, learner in self.learners.items()},
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go back to what `get_state` returned."""
        for name, learner in self.learners.items():
            learner.set_state(state["learners"][name])
        self.observations = self.env.set_state(state["env"])
        self.done, self.starts, self.returns = state["done"], state["starts"], state["returns"]


def _seed_of(seed: int, name: str) -> np.random.SeedSequence:
    """Return the seed of an agent, whoever else learns."""
    return np.random.SeedSequence([seed, *name.encode()])
