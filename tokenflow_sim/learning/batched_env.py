"""Markets of many seeds as Stable-Baselines3 takes environments; needs it to be imported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from stable_baselines3.common.vec_env import VecEnv

from tokenflow_sim.env import MarketVectorEnv


class BatchedEnv(VecEnv):
    """A Gymnasium vector environment behind the interface of Stable-Baselines3, which came before Gymnasium's.

    Parameters
    ----------
    market : MarketVectorEnv
        Markets that begin again in the step in which they end (``autoreset_mode="SameStep"``), as Stable-Baselines3
        expects: the observations of that step are the first ones of the next episodes, and the last ones of those that
        ended are ``terminal_observation`` in their infos, from which it values what would have followed.
    """

    def __init__(self, market: MarketVectorEnv) -> None:
        self.market = market
        self._actions: Any = None
        self._money, self._steps = np.zeros(market.num_envs), 0
        super().__init__(market.num_envs, market.single_observation_space, market.single_action_space)

    def reset(self) -> Any:
        """Begin an episode of every market, with the seeds that `seed` gave, if there are any."""
        observations, infos = self.market.reset(seed=self._seeds)
        self.reset_infos = self._each(infos)
        self._money, self._steps = np.zeros(self.num_envs), 0
        self._reset_seeds()
        self._reset_options()
        return observations

    def step_async(self, actions: Any) -> None:
        """Take the actions of the next step."""
        self._actions = actions

    def step_wait(self) -> tuple[Any, Any, Any, list[dict[str, Any]]]:
        """Play a period of every market."""
        observations, rewards, terminated, truncated, infos = self.market.step(self._actions)
        done = terminated | truncated
        found = self._each(infos["final_info"] if done.any() else infos)
        self._money, self._steps = self._money + rewards, self._steps + 1
        if done.any():  # all at once
            self.reset_infos = self._each(infos)
            ended = zip(found, infos["final_obs"], self._money.tolist(), strict=True)
            for info, last, money in ended:
                info["terminal_observation"] = last
                # What a Monitor adds, which cannot be pickled around a vector.
                info["episode"] = {"r": round(money, 6), "l": self._steps}
            self._money, self._steps = np.zeros(self.num_envs), 0
        for info, late in zip(found, (truncated & ~terminated).tolist(), strict=True):
            info["TimeLimit.truncated"] = late
        return observations, rewards.astype(np.float32), done, found

    def _each(self, infos: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the infos of each market; those of all stand as arrays beside masks of who has them."""
        names = [name for name in infos if f"_{name}" in infos and not name.startswith("final_")]
        return [{name: infos[name][number] for name in names} for number in range(self.num_envs)]

    def get_state(self) -> dict[str, Any]:
        """Return where the markets stand, and what each has brought in its episode so far."""
        return {"market": self.market.get_state(), "money": self._money, "steps": self._steps}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go back to what `get_state` returned."""
        self.market.set_state(state["market"])
        self._money, self._steps = state["money"], state["steps"]

    def close(self) -> None:
        """Close the markets."""
        self.market.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """Return an attribute, which all markets share, once for each."""
        return [getattr(self.market, attr_name)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Set an attribute of all markets."""
        setattr(self.market, attr_name, value)

    def env_method(
        self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any
    ) -> list[Any]:
        """Call a method of all markets at once."""
        found = getattr(self.market, method_name)(*method_args, **method_kwargs)
        return [found] * len(list(self._get_indices(indices)))

    def env_is_wrapped(self, wrapper_class: type[Any], indices: Any = None) -> Sequence[bool]:
        """Say of each market that nothing wraps it."""
        return [False] * len(list(self._get_indices(indices)))
