"""The market as a PettingZoo environment: all players submit at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from gymnasium import spaces
from gymnasium.utils import seeding
from numpy.typing import NDArray
from pettingzoo import ParallelEnv

from tokenflow_sim.env.drawing import MODES, Screen
from tokenflow_sim.env.episode import SEEDS, Episode, Setting
from tokenflow_sim.env.overview import Overview
from tokenflow_sim.env.rewards import Measure, Reward
from tokenflow_sim.env.spaces import action_space, observation_space
from tokenflow_sim.errors import Fault, InputError, unknown_name
from tokenflow_sim.model import TokenMarket
from tokenflow_sim.scenario import Scenario
from tokenflow_sim.strategies.action_encoding import ActionForm, Actions
from tokenflow_sim.strategies.assignment import Choice
from tokenflow_sim.strategies.encoding import Encoding

Observation = NDArray[np.float32]
Info = dict[str, Any]


class ParallelMarket(ParallelEnv[str, Observation, Any]):
    """A market whose providers, owners or regions learn, any mix of them, beside agents that play their strategies.

    Each step is a period: players observe what they would see before they submit, and all submit at once. It ends by
    truncation after the last period, for all at once; nobody is ever terminated.

    Parameters
    ----------
    scenario : str, Path or Scenario
        Name of a bundled scenario, a folder or file, or a scenario.
    agents : str or iterable of str, optional
        Who learns: names, or ``providers``, ``owners``, ``regions``; all providers where left out.
    render_mode : {'rgb_array', 'human'}, optional
        How `render` shows the map.
    render_to : str or Path, optional
        A folder for the images of ``human``, which needs a window otherwise.
    periods, overrides, strategies, actions, observe, lags, reward, record, allow_code
        As `Setting` takes them.

    Attributes
    ----------
    possible_agents, agents : list of str
        The players: all, and those of the episode, none once it is over.
    model : TokenMarket
        The run of the episode.
    state_space : Box
        Space of `state`.

    Raises
    ------
    ScenarioError, InputError
        If anything of it has faults.

    Examples
    --------
    >>> env = ParallelMarket("us5", periods=24)
    >>> observations, infos = env.reset(seed=1)
    >>> actions = {agent: env.action_space(agent).sample() for agent in env.agents}
    >>> observations, rewards, terminations, truncations, infos = env.step(actions)
    """

    metadata: ClassVar[dict[str, Any]] = {
        "name": "tokenflow_sim_v0",
        "render_modes": list(MODES),
        "render_fps": 4,
        "is_parallelizable": True,
    }

    def __init__(
        self,
        scenario: str | Path | Scenario = "us20_oligopoly",
        agents: str | Iterable[str] | None = None,
        *,
        render_mode: str | None = None,
        render_to: str | Path | None = None,
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
        self._screen = Screen(render_mode, render_to)
        self.render_mode = render_mode
        self.setting = Setting(
            scenario, agents, periods=periods, overrides=overrides, strategies=strategies, actions=actions,
            observe=observe, lags=lags, reward=reward, record=record, allow_code=allow_code,
        )  # fmt: skip
        self.possible_agents = [player.label for player in self.setting.players]
        self.agents: list[str] = []
        encodings = {player.label: player.encoding for player in self.setting.players}
        self.observation_spaces = {name: observation_space(one) for name, one in encodings.items()}
        self.action_spaces = {name: action_space(one) for name, one in encodings.items()}
        self._episode: Episode | None = None
        self._random: np.random.Generator | None = None

    @property
    def model(self) -> TokenMarket:
        """The run of the episode."""
        return self._now.model

    @property
    def _now(self) -> Episode:
        if self._episode is None:
            raise InputError([Fault("there is no episode yet; call reset", "step")], "environment")
        return self._episode

    def encoding(self, agent: str) -> Encoding:
        """Return how a player sees and decides; its ``to_config()`` goes with a trained policy."""
        return self.setting.players[self._number(agent)].encoding

    def _number(self, agent: str) -> int:
        if agent not in self.possible_agents:
            raise InputError([Fault(unknown_name("agent", agent, self.possible_agents))], "environment")
        return self.possible_agents.index(agent)

    def observation_space(self, agent: str) -> spaces.Box:
        """Return the space of a player's observations, always the same object."""
        self._number(agent)
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Space[Any]:
        """Return the space of a player's actions, always the same object."""
        self._number(agent)
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Observation], dict[str, Info]]:
        """Begin an episode.

        Parameters
        ----------
        seed : int, optional
            Seed of the run: the episode is that of ``TokenMarket(scenario, rng=seed)``. Without one, it is drawn from
            what the last seed that was given determines, so that a seed fixes all later episodes too.
        options : dict, optional
            Ignored.

        Returns
        -------
        observations, infos : dict
            By player.
        """
        if seed is not None or self._random is None:
            self._random, _ = seeding.np_random(seed)
        run = int(self._random.integers(SEEDS)) if seed is None else seed
        clearer = None if self._episode is None else self._episode.model.clearing_house.clearer
        self._episode = Episode(self.setting, run, clearer)
        self.agents = list(self.possible_agents)
        return self._seen(self._episode)

    def step(
        self, actions: dict[str, Any]
    ) -> tuple[dict[str, Observation], dict[str, float], dict[str, bool], dict[str, bool], dict[str, Info]]:
        """Play a period.

        Parameters
        ----------
        actions : dict
            An action for each player.

        Returns
        -------
        observations, rewards, terminations, truncations, infos : dict
            By player; infos as `Episode.info` has them.

        Raises
        ------
        InputError
            If a player has no action, somebody else has one, or the episode is over.
        StrategyError, InfeasibleError, CertificateError
            As `Episode.step` does.
        """
        episode = self._now
        if not isinstance(actions, Mapping):
            fault = Fault(f"must be a mapping from agents to actions; found {actions!r:.80}")
            raise InputError([fault], "actions")
        if self.agents and actions.keys() != set(self.agents):
            faults = [Fault("has no action", agent) for agent in self.agents if agent not in actions]
            faults += [
                Fault(unknown_name("agent", str(one), self.agents))
                for one in actions
                if one not in self.agents
            ]
            raise InputError(faults, "actions")
        names = self.possible_agents
        rewards = episode.step([actions.get(name, ()) for name in names])
        observations, infos = self._seen(episode)
        over = episode.is_over
        self.agents = [] if over else list(names)
        if self.render_mode == "human":
            self.render()
        return (
            observations,
            dict(zip(names, rewards, strict=True)),
            dict.fromkeys(names, False),
            dict.fromkeys(names, over),
            infos,
        )

    def get_state(self) -> dict[str, Any]:
        """Return where the environment stands, in numbers that do not depend on how the package is written.

        Returns
        -------
        dict
            ``seed`` and ``actions`` of the episode, as `Episode.get_state` has them, and ``random``, where the stream
            of later seeds stands.
        """
        episode = self._now
        assert self._random is not None, "an episode has begun"
        return {**episode.get_state(), "random": self._random.bit_generator.state}

    def set_state(self, state: Mapping[str, Any]) -> dict[str, Observation]:
        """Go to where an environment made with the same arguments stood, by playing its episode again.

        Parameters
        ----------
        state : mapping
            What its `get_state` returned.

        Returns
        -------
        dict of ndarray
            What each player observes there.
        """
        self.reset(seed=state["seed"])
        episode = self._now
        episode.follow(state["actions"])
        self.agents = [] if episode.is_over else list(self.possible_agents)
        assert self._random is not None, "an episode has begun"
        self._random.bit_generator.state = state["random"]
        return self._seen(episode)[0]

    def _seen(self, episode: Episode) -> tuple[dict[str, Observation], dict[str, Info]]:
        names = list(enumerate(self.possible_agents))
        return (
            {name: episode.observation(number) for number, name in names},
            {name: episode.info(number) for number, name in names},
        )

    @cached_property
    def _overview(self) -> Overview:
        return Overview(self.setting.scenario.compiled)

    @cached_property
    def state_space(self) -> spaces.Box:
        """Space of `state`."""
        low = self._overview.low
        return spaces.Box(low, np.ones_like(low), dtype=np.float32)

    def state(self) -> Observation:
        """Return the state of the whole market before the next period, for critics that are trained centrally."""
        return self._overview(self.model)

    def render(self) -> NDArray[np.uint8] | None:
        """Draw the map of the last period: dispatch and flows; an image, dims (height, width, 3), or None."""
        if self.render_mode == "rgb_array":
            return self._screen.image(self.model)
        if self.render_mode == "human":
            self._screen.show(self.model)
        return None

    def close(self) -> None:
        """Close the window, if there is one."""
        self._screen.close()


def parallel_env(*args: Any, **kwargs: Any) -> ParallelMarket:
    """Return the market as a PettingZoo ParallelEnv; see `ParallelMarket`."""
    return ParallelMarket(*args, **kwargs)
