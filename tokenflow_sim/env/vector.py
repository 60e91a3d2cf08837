"""Many markets with one learner each, stepped together, as a Gymnasium vector environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from tokenflow_sim.batch import Batch
from tokenflow_sim.env.episode import SEEDS
from tokenflow_sim.env.rewards import Measure, Reward
from tokenflow_sim.env.single import one_learner
from tokenflow_sim.env.spaces import action_space, observation_space
from tokenflow_sim.errors import Fault, InputError, unknown_name
from tokenflow_sim.numeric import SECONDS_PER_HOUR, Floats
from tokenflow_sim.scenario import Scenario
from tokenflow_sim.strategies.action_encoding import ActionForm, Actions
from tokenflow_sim.strategies.assignment import Choice
from tokenflow_sim.strategies.encoding import Encoding

Observations = NDArray[np.float32]
_NAMES = {
    "provider": ("price", "quantity"),
    "owner": ("route_cost", "capacity"),
    "region": ("quantity", "value", "worth"),
}


class MarketVectorEnv(VectorEnv[Observations, Any, NDArray[Any]]):
    """Many markets of a scenario at different seeds, in each of which one agent learns, stepped as a `Batch`.

    Each is, to the bit, what `MarketEnv` is with that seed. All end together, by truncation after the last period.

    Parameters
    ----------
    num_envs : int
        How many markets.
    scenario, agent
        As `MarketEnv` takes them.
    autoreset_mode : AutoresetMode or str
        When a market that is over begins again: in the next step, whose actions are then ignored (Gymnasium's usual
        mode), in the same step, with the last observations as ``infos["final_obs"]``, or never.
    render_mode : None
        It draws nothing: ``gymnasium.make_vec(..., vectorization_mode="sync")`` does.
    periods, overrides, strategies, actions, observe, lags, reward, allow_code
        As `Setting` takes them.

    Attributes
    ----------
    batch : Batch
        The markets of the episodes.
    encoding : Encoding
        How the learner sees and decides.

    Raises
    ------
    ScenarioError, InputError
        If anything of it has faults.
    """

    def __init__(
        self,
        num_envs: int = 1,
        scenario: str | Path | Scenario = "us20_oligopoly",
        agent: str | None = None,
        *,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        periods: int | None = None,
        overrides: Mapping[str, Any] | None = None,
        strategies: Mapping[str, Choice] | None = None,
        actions: Actions | ActionForm | Mapping[str, Any] = "continuous",
        observe: Sequence[str] | None = None,
        lags: int = 1,
        reward: Reward | Measure | Mapping[str, Any] = "normalised",
        allow_code: bool = False,
    ) -> None:
        faults = []
        if isinstance(num_envs, bool) or not isinstance(num_envs, int) or num_envs < 1:
            faults.append(Fault(f"must be a whole number of at least 1; found {num_envs!r}", "num_envs"))
        if render_mode is not None:
            faults.append(
                Fault("many markets at once draw nothing; use vectorization_mode='sync'", "render_mode")
            )
        if observe is not None and "published_offers" in observe:
            reason = "many markets at once do not show 'published_offers'; use vectorization_mode='sync'"
            faults.append(Fault(reason, "observe"))
        if autoreset_mode not in [mode.value for mode in AutoresetMode] + list(AutoresetMode):
            known = [mode.value for mode in AutoresetMode]
            faults.append(Fault(unknown_name("mode", str(autoreset_mode), known), "autoreset_mode"))
        if faults:
            raise InputError(faults, "environment")
        self.setting = one_learner(
            scenario, agent, periods=periods, overrides=overrides, strategies=strategies, actions=actions,
            observe=observe, lags=lags, reward=reward, allow_code=allow_code,
        )  # fmt: skip
        self.num_envs = num_envs
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.metadata = {"autoreset_mode": self.autoreset_mode, "render_modes": []}
        self.player = self.setting.players[0]
        self.encoding: Encoding = self.player.encoding
        self.single_observation_space = observation_space(self.encoding)
        self.single_action_space = action_space(self.encoding)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._randoms: list[np.random.Generator | None] = [None] * num_envs
        self._batch: Batch | None = None

    @property
    def batch(self) -> Batch:
        """The markets of the episodes."""
        if self._batch is None:
            raise InputError([Fault("there are no episodes yet; call reset", "step")], "environment")
        return self._batch

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Observations, dict[str, Any]]:
        """Begin an episode in every market.

        Parameters
        ----------
        seed : int or sequence of int, optional
            The seed of the first market, each next one's is one more; or one for each. Without one, a market's is
            drawn from what its last seed determines.
        options : dict, optional
            ``reset_mask`` must name all markets, which are always over together; the rest is ignored.

        Returns
        -------
        observations : ndarray
            Dims (market, entry).
        infos : dict
            As `Episode.info` has them, an array over the markets each, beside a mask ``_name`` of who has it.

        Raises
        ------
        InputError
            If there are not as many seeds as markets, one comes twice, or a mask leaves a market out.
        """
        if options is not None and not np.all(options.get("reset_mask", True)):
            fault = Fault("all markets are over together, and are reset together", "reset_mask")
            raise InputError([fault], "environment")
        if seed is None:
            given: list[int | None] = [None] * self.num_envs
        elif isinstance(seed, (int, np.integer)):
            given = [int(seed) + number for number in range(self.num_envs)]
        elif isinstance(seed, Sequence | np.ndarray) and len(seed) == self.num_envs:
            given = [int(one) if isinstance(one, np.integer) else one for one in seed]
        else:
            fault = Fault(f"must be one whole number, or {self.num_envs}; found {seed!r:.80}", "seed")
            raise InputError([fault], "environment")
        super().reset(seed=given[0])
        return self._begin([self._seed_of(number, one) for number, one in enumerate(given)])

    def _seed_of(self, number: int, given: int | None) -> int:
        """Return the seed of the next episode of a market, as `MarketEnv` does."""
        random = self._randoms[number]
        if given is not None or random is None:
            random, _ = seeding.np_random(given)
            self._randoms[number] = random
        return int(random.integers(SEEDS)) if given is None else given

    def _begin(self, seeds: Sequence[int]) -> tuple[Observations, dict[str, Any]]:
        setting, player = self.setting, self.player
        own = {key: choice for key, choice in setting.strategies.items() if key != player.key}
        self._batch = Batch(
            setting.scenario, seeds=seeds, strategies=own, record=(), external=[player.key],
            allow_code=setting.allow_code,
        )  # fmt: skip
        self._rewards = [setting.reward.start(self.encoding.money) for _ in seeds]
        self._over = False
        self._played: list[NDArray[Any]] = []
        self._look()
        return self._observations.copy(), self._infos(None)

    def _look(self) -> None:
        if self._over and not self.setting.goes_on:
            return  # nobody knows the numbers of the period after the last one: what was seen last stands
        self._view: Any = self.batch.view(self.player.name)
        self._observations = self.encoding.observe(self._view, self.num_envs)

    def step(
        self, actions: Any
    ) -> tuple[Observations, NDArray[Any], NDArray[Any], NDArray[Any], dict[str, Any]]:
        """Play a period of every market, or, where they are over, begin the next episodes.

        Parameters
        ----------
        actions : ndarray
            Of the action space, a row a market.

        Returns
        -------
        observations, rewards, terminations, truncations, infos
            Arrays over the markets.

        Raises
        ------
        StrategyError
            If an action is none of the learner's, or an observation is not finite.
        InputError
            If the episodes are over and nothing resets them.
        InfeasibleError, CertificateError
            As `Batch.step` does.
        """
        batch, none = self.batch, np.zeros(self.num_envs, dtype=bool)
        if self._over:
            if self.autoreset_mode != AutoresetMode.NEXT_STEP:
                raise InputError([Fault("the episodes are over; call reset", "step")], "environment")
            observations, infos = self._begin([self._seed_of(one, None) for one in range(self.num_envs)])
            return observations, np.zeros(self.num_envs), none, none.copy(), infos
        made = self.encoding.submission(self._view, np.asarray(actions), self.num_envs)
        batch.submit(self.player.name, **{name: getattr(made, name) for name in _NAMES[self.player.kind]})
        batch.step()
        self._played.append(np.array(actions))
        self._over = not batch.running
        money, price = self._earned()
        if self.setting.reward.measure in ("profit", "normalised"):
            rewards = money if self.setting.reward.measure == "profit" else money / self.encoding.money
        else:
            rewards = np.array(
                [reward(one) for reward, one in zip(self._rewards, money.tolist(), strict=True)]
            )
        self._look()
        infos = self._infos((money, price))
        observations, truncations = self._observations.copy(), np.full(self.num_envs, self._over)
        if self._over and self.autoreset_mode == AutoresetMode.SAME_STEP:
            final = np.empty(self.num_envs, dtype=object)
            for number, one in enumerate(observations):
                final[number] = one
            last = {"final_obs": final, "_final_obs": ~none, "final_info": infos, "_final_info": ~none}
            observations, infos = self._begin([self._seed_of(one, None) for one in range(self.num_envs)])
            infos = {**last, **infos}
        return observations, rewards, none, truncations, infos

    def get_state(self) -> dict[str, Any]:
        """Return where the markets stand, in numbers that do not depend on how the package is written.

        Returns
        -------
        dict
            ``seeds`` of the episodes; ``actions`` in them, an array with the periods first; and ``random``, where each
            market's stream of later seeds stands.
        """
        streams = [None if one is None else one.bit_generator.state for one in self._randoms]
        return {"seeds": list(self.batch.seeds), "actions": np.array(self._played), "random": streams}

    def set_state(self, state: Mapping[str, Any]) -> Observations:
        """Go to where an environment made with the same arguments stood, by playing its episodes again.

        Parameters
        ----------
        state : mapping
            What its `get_state` returned.

        Returns
        -------
        ndarray
            What is observed there, dims (market, entry).
        """
        self._begin(state["seeds"])
        for actions in state["actions"]:
            self.step(actions)
        for number, stream in enumerate(state["random"]):
            random, _ = seeding.np_random(0)
            if stream is not None:
                random.bit_generator.state = stream
            self._randoms[number] = None if stream is None else random
        return self._observations.copy()

    def _earned(self) -> tuple[Floats, Floats]:
        """Return the learner's money of the last period in $, dims (market,), and its prices, as `Player` has them."""
        receipt: Any = self.batch.receipt(self.player.name)

        def total(values: Floats) -> Floats:
            # Each market's numbers are added up in one go, as those of a market alone are.
            found: Floats = np.ascontiguousarray(values).reshape(self.num_envs, -1).sum(axis=1)
            return found

        beside = 0.0 if receipt.contract_income is None else total(receipt.contract_income)
        if self.player.kind == "provider":
            return total(receipt.profit) + beside, receipt.price.copy()
        if self.player.kind == "owner":
            return total(receipt.income) - total(receipt.cost) + beside, receipt.congestion_rent.copy()
        worth = np.where(np.isfinite(self._view.value), self._view.value, 0.0)
        seconds = SECONDS_PER_HOUR * self.setting.scenario.compiled.hours
        surplus = total(worth * receipt.served * seconds) - total(receipt.payment)
        return surplus + beside, receipt.price.copy()

    def _infos(self, earned: tuple[Floats, Floats] | None) -> dict[str, Any]:
        found: dict[str, Any] = {
            "seed": np.array(self.batch.seeds),
            "period": np.full(self.num_envs, self.batch.period),
        }
        if earned is not None:
            found["money"], found["price"] = earned[0].copy(), earned[1]
        if self.encoding.action.actions.form == "discrete":
            found["action_mask"] = self.encoding.mask(self._view)
        return {**found, **{f"_{name}": np.ones(self.num_envs, dtype=bool) for name in found}}
