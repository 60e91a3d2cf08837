"""Episodes of a market that some agents play from outside: reset, step, observe, reward."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tokenflow_sim.env.players import OUTSIDE, players
from tokenflow_sim.env.rewards import Measure, Reward, RunningReward
from tokenflow_sim.errors import Fault, InputError, StrategyError
from tokenflow_sim.market import Clearer
from tokenflow_sim.model import TokenMarket
from tokenflow_sim.results.names import names_of
from tokenflow_sim.scenario import Scenario, load_scenario
from tokenflow_sim.scenario.override import changes_of
from tokenflow_sim.strategies.action_encoding import ActionForm, Actions, Submission
from tokenflow_sim.strategies.assignment import Choice, find_faults

SEEDS = 1 << 53
"""Seeds of episodes are drawn below this number."""


class Setting:
    """What episodes of a market have in common: the scenario, who plays it from outside, and what for.

    Parameters
    ----------
    scenario : str, Path or Scenario
        Name of a bundled scenario, a folder or file, or a scenario.
    agents : str or iterable of str, optional
        Who plays from outside; see `players`. All others play their strategies.
    periods : int, optional
        The horizon: periods of an episode, in place of the scenario's.
    overrides : mapping, optional
        Other values for the scenario, by dotted path.
    strategies : mapping, optional
        Other strategies than the scenario's for those who do not learn, as `TokenMarket` takes them.
    actions : Actions, str or mapping
        How decisions are encoded; see `Actions`.
    observe : sequence of str, optional
        What is observed; see `Encoding.of`.
    lags : int
        How many published periods are observed.
    reward : Reward, str or mapping
        What is rewarded; see `Reward`.
    record : iterable of str
        Variables of the run to record, for `TokenMarket.results`; none, unless they are named.
    allow_code : bool
        Whether strategies given as ``module:Class`` may be imported.

    Raises
    ------
    ScenarioError, InputError
        If anything of it has faults.
    """

    def __init__(
        self,
        scenario: str | Path | Scenario,
        agents: str | Iterable[str] | None = None,
        *,
        periods: int | None = None,
        overrides: Mapping[str, Any] | None = None,
        strategies: Mapping[str, Choice] | None = None,
        actions: Actions | ActionForm | Mapping[str, Any] = "continuous",
        observe: Sequence[str] | None = None,
        lags: int = 1,
        reward: Reward | Measure | Mapping[str, Any] = "normalised",
        record: Iterable[str] = (),
        allow_code: bool = False,
    ) -> None:
        changes = changes_of(overrides)
        if periods is not None:
            changes["periods"] = periods
        check = partial(find_faults, allow_code=allow_code)
        self.scenario = load_scenario(scenario, changes, also=check)
        self.players = players(self.scenario, agents, actions=actions, observe=observe, lags=lags)
        self.reward = Reward.of(reward)
        self.record = names_of(record)
        self.allow_code = allow_code
        outside: dict[str, Choice] = {player.key: OUTSIDE[player.kind] for player in self.players}
        if strategies is not None and not isinstance(strategies, Mapping):
            fault = Fault(
                f"must be a mapping from agents to strategies; found {strategies!r:.80}", "strategies"
            )
            raise InputError([fault], "environment")
        self.strategies: dict[str, Choice] = {**(strategies or {}), **outside}
        compiled = self.scenario.compiled
        # The state of the period after the last one is known where no table by period ends before it.
        covered = compiled.covered is None or compiled.covered > compiled.periods
        self.goes_on = covered and compiled.carbon_plan is None
        if strategies or self.record:
            self.model(0)  # what is wrong with them is said now, not at the first episode

    def model(self, seed: int, clearer: Clearer | None = None) -> TokenMarket:
        """Make the model of an episode."""
        return TokenMarket(
            self.scenario,
            rng=seed,
            strategies=self.strategies,
            record=self.record,
            collect=(),
            clearer=clearer,
            allow_code=self.allow_code,
        )


class Episode:
    """One episode: a run of the market whose players submit from outside.

    Parameters
    ----------
    setting : Setting
        What it has in common with others.
    seed : int
        The run's seed: what happens is a function of scenario, seed and actions.
    clearer : Clearer, optional
        That of an episode before, which saves building it.

    Attributes
    ----------
    model : TokenMarket
        The run.
    """

    def __init__(self, setting: Setting, seed: int, clearer: Clearer | None = None) -> None:
        self.setting = setting
        self.model = setting.model(seed, clearer)
        self._strategies = [player.agent(self.model).strategy for player in setting.players]
        self._money = [0.0] * len(setting.players)
        self._played: list[tuple[NDArray[Any], ...]] = []
        self._rewards: list[RunningReward] = [
            setting.reward.start(player.encoding.money) for player in setting.players
        ]
        self._look()

    def _look(self) -> None:
        players = self.setting.players
        if self.is_over and not self.setting.goes_on:
            return  # nobody knows the numbers of the period after the last one: what was seen last stands
        self.views = [player.view(self.model) for player in players]
        self.observations = [
            player.encoding.observe(view) for player, view in zip(players, self.views, strict=True)
        ]

    @property
    def is_over(self) -> bool:
        """Whether the last period is played."""
        return self.model.period >= self.model.periods

    def observation(self, number: int) -> NDArray[np.float32]:
        """Return what a player observes now: an array of its own."""
        return self.observations[number].copy()

    def info(self, number: int) -> dict[str, Any]:
        """Return the raw numbers beside a player's observation.

        Returns
        -------
        dict
            ``seed`` of the run and ``period``, the number of the next one; after the first period ``money`` earned in
            the last one in $ and ``price``, own prices in $/Mtok (of an owner its congestion rents); with discrete
            actions ``action_mask``, see `ActionEncoding.mask`.
        """
        player, result = self.setting.players[number], self.model.clearing_house.result
        info: dict[str, Any] = {"seed": self.model.seed, "period": self.model.period}
        if result is not None:
            info["money"], info["price"] = self._money[number], player.price(result)
        if player.encoding.action.actions.form == "discrete":
            info["action_mask"] = player.encoding.mask(self.views[number])
        return info

    def step(self, actions: Sequence[ArrayLike]) -> list[float]:
        """Play a period, and return each player's reward.

        Raises
        ------
        StrategyError
            If actions are none of their players', a line each, before anything is played; or if an observation is not
            finite.
        InputError
            If the episode is over.
        InfeasibleError, CertificateError
            As `TokenMarket.step` does.
        """
        if self.is_over:
            raise InputError([Fault("the episode is over; call reset", "step")], "environment")
        for strategy, made in zip(self._strategies, self._submissions(actions), strict=True):
            strategy.put(made)
        self.model.step()
        result = self.model.clearing_house.result
        assert result is not None
        self._money = [player.money(self.model, result) for player in self.setting.players]
        rewards = [reward(money) for reward, money in zip(self._rewards, self._money, strict=True)]
        self._played.append(tuple(np.array(action) for action in actions))
        self._look()
        return rewards

    def get_state(self) -> dict[str, Any]:
        """Return what leads to where the episode stands, which is a function of the scenario and of it.

        Returns
        -------
        dict
            ``seed`` of the run; ``actions``, an array for each player with the periods first, none before the first.
        """
        actions = [np.array(own) for own in zip(*self._played, strict=True)]
        return {"seed": self.model.seed, "actions": actions}

    def follow(self, actions: Sequence[NDArray[Any]]) -> None:
        """Play the actions that `get_state` returned of an episode with the same seed."""
        for together in zip(*actions, strict=True):
            self.step(together)

    def _submissions(self, actions: Sequence[ArrayLike]) -> list[Submission]:
        """Return what the players' actions make of what they see."""
        made, faults = [], []
        for player, view, action in zip(self.setting.players, self.views, actions, strict=True):
            try:
                made.append(player.encoding.submission(view, action))
            except StrategyError as error:
                faults.append(f"{player.label}: {error}" if len(self.views) > 1 else str(error))
        if faults:
            raise StrategyError("\n".join(faults))
        return made
