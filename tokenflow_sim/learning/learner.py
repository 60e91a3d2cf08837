"""One of several agents that learn side by side: PPO of Stable-Baselines3 with rollouts of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from tokenflow_sim.learning.checkpoint import tensors_as_bytes, tensors_of
from tokenflow_sim.learning.libraries import load
from tokenflow_sim.learning.session import made
from tokenflow_sim.learning.torch_network import layers_of
from tokenflow_sim.strategies.policy_config import Activation
from tokenflow_sim.strategies.policy_network import ACTIVATIONS, Reals

Singles = NDArray[np.float32]
_HALF_LOG_TWO_PI = 0.5 * np.log(2.0 * np.pi)


class Learner:
    """PPO for one agent: it acts, remembers what came of it, and learns when its rollout is full.

    Parameters
    ----------
    observation_space, action_space : gymnasium.Space
        The agent's spaces: Box, and Box, Discrete or MultiDiscrete.
    parameters : mapping
        Parameters of `stable_baselines3.PPO`.
    seed : SeedSequence
        Where its random numbers come from.

    Notes
    -----
    Networks, losses and optimiser are Stable-Baselines3's own. Acting is not: a single observation goes through the
    same weights in NumPy, which takes a tenth of the time that PyTorch needs for it.
    """

    def __init__(
        self,
        observation_space: Any,
        action_space: Any,
        parameters: Mapping[str, Any],
        seed: np.random.SeedSequence,
    ) -> None:
        self.rng = np.random.default_rng(seed)
        model = made(
            load("stable_baselines3", "training").PPO, "MlpPolicy", None, device="cpu",
            seed=int(self.rng.integers(2**31)), _init_setup_model=False, **parameters,
        )  # fmt: skip
        model.observation_space, model.action_space, model.n_envs = observation_space, action_space, 1
        model._setup_model()
        model.set_logger(load("stable_baselines3.common.logger", "training").Logger(None, []))
        self.model, self.buffer = model, model.rollout_buffer
        self.is_discrete = type(action_space).__name__ in ("Discrete", "MultiDiscrete")
        self.choices = [
            int(n) for n in np.atleast_1d(getattr(action_space, "nvec", getattr(action_space, "n", 0)))
        ]
        self.shape = action_space.shape
        if not self.is_discrete:
            self.low, self.high = action_space.low, action_space.high
        self._share_weights()

    def _share_weights(self) -> None:
        """Take NumPy's views of the weights: what the optimiser writes is seen at once."""
        policy = self.model.policy
        self._actor = _shared(policy.mlp_extractor.policy_net, policy.action_net)
        self._critic = _shared(policy.mlp_extractor.value_net, policy.value_net)
        self._log_std = None if self.is_discrete else policy.log_std.detach().numpy()

    def act(self, observation: Singles) -> Any:
        """Return an action for the environment, drawn from the policy, and begin to remember the step."""
        buffer, at = self.buffer, self.buffer.pos
        buffer.observations[at, 0] = observation
        buffer.values[at, 0] = self.value(observation)
        output = _forward(self._actor, observation)
        if self.is_discrete:
            action, log_prob = self._choose(output)
            buffer.actions[at, 0], buffer.log_probs[at, 0] = action, log_prob
            return action.reshape(self.shape) if self.shape else int(action[0])
        assert self._log_std is not None
        draw = self.rng.standard_normal(len(output), dtype=np.float32)
        action = output + np.exp(self._log_std) * draw
        buffer.actions[at, 0] = action.reshape(self.shape).ravel()
        buffer.log_probs[at, 0] = -(0.5 * draw * draw + self._log_std + _HALF_LOG_TWO_PI).sum()
        return np.clip(action.reshape(self.shape), self.low, self.high)

    def _choose(self, logits: Singles) -> tuple[NDArray[np.int64], float]:
        """Draw an option of each choice; return them with the log of their probability."""
        drawn, log_prob, start = [], 0.0, 0
        for count in self.choices:
            part = logits[start : start + count].astype(np.float64)
            part -= part.max()
            ladder = np.cumsum(np.exp(part))
            option = min(int((ladder <= self.rng.random() * ladder[-1]).sum()), count - 1)
            drawn.append(option)
            log_prob += float(part[option] - np.log(ladder[-1]))
            start += count
        return np.array(drawn, dtype=np.int64), log_prob

    def value(self, observation: Singles) -> float:
        """Return what the critic expects from an observation on."""
        return float(_forward(self._critic, observation)[0])

    def receive(self, reward: float, starts: bool, last: Singles | None) -> None:
        """Complete the step.

        Parameters
        ----------
        reward : float
            Its reward.
        starts : bool
            Whether the step was the first of an episode.
        last : ndarray or None
            The observation with which an episode was truncated: what would have followed is worth what the critic
            says.
        """
        buffer, at = self.buffer, self.buffer.pos
        if last is not None:
            reward += self.model.gamma * self.value(last)
        buffer.rewards[at, 0], buffer.episode_starts[at, 0] = reward, starts
        buffer.pos = at + 1
        buffer.full = buffer.pos == buffer.buffer_size

    def learn(self, observation: Singles, ended: bool, remaining: float) -> dict[str, float]:
        """Learn from a full rollout, and begin the next.

        Parameters
        ----------
        observation : ndarray
            The one after the last step.
        ended : bool
            Whether that step was the last of an episode.
        remaining : float
            Share of the training that is left, for parameters that follow a schedule.

        Returns
        -------
        dict
            Losses and the like, by name.
        """
        torch, model = load("torch", "training"), self.model
        model._current_progress_remaining = remaining
        value = torch.tensor([[self.value(observation)]])
        self.buffer.compute_returns_and_advantage(last_values=value, dones=np.array([ended]))
        # Stable-Baselines3 shuffles by NumPy's global numbers.
        np.random.seed(int(self.rng.integers(2**32)))  # noqa: NPY002
        model.train()
        self.buffer.reset()
        found = model.logger.name_to_value
        return {name: float(value) for name, value in found.items() if name.startswith("train/")}

    def get_state(self) -> dict[str, Any]:
        """Return everything that its next step depends on, between two rollouts."""
        policy = self.model.policy
        return {
            "policy": tensors_as_bytes(policy.state_dict()),
            "optimizer": tensors_as_bytes(policy.optimizer.state_dict()),
            "rng": self.rng.bit_generator.state,
            "updates": self.model._n_updates,
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go back to what `get_state` returned."""
        policy = self.model.policy
        policy.load_state_dict(tensors_of(state["policy"]))
        policy.optimizer.load_state_dict(tensors_of(state["optimizer"]))
        self.rng.bit_generator.state = state["rng"]
        self.model._n_updates = state["updates"]
        self._share_weights()


_Layers = list[tuple[Reals, Reals, Callable[[Reals], Reals]]]


def _shared(*modules: Any) -> _Layers:
    """Return views of the weights of modules that follow each other."""
    linear = [one for module in modules for one in module.modules() if type(one).__name__ == "Linear"]
    names = [cast("Activation", name) for _, _, name in layers_of(*modules)]
    return [
        (one.weight.detach().numpy(), one.bias.detach().numpy(), ACTIVATIONS[name])
        for one, name in zip(linear, names, strict=True)
    ]


def _forward(layers: _Layers, x: Reals) -> Reals:
    for weight, bias, activation in layers:
        x = activation(weight @ x + bias)
    return x
