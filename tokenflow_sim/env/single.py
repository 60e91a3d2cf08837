"""The market as a Gymnasium environment: one learner among agents that play their strategies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import gymnasium
import numpy as np
from numpy.typing import NDArray

from tokenflow_sim.env.drawing import MODES, Screen
from tokenflow_sim.env.episode import SEEDS, Episode, Setting
from tokenflow_sim.env.rewards import Measure, Reward
from tokenflow_sim.env.spaces import action_space, observation_space
from tokenflow_sim.errors import Fault, InputError
from tokenflow_sim.model import TokenMarket
from tokenflow_sim.scenario import Scenario
from tokenflow_sim.strategies.action_encoding import ActionForm, Actions
from tokenflow_sim.strategies.assignment import Choice
from tokenflow_sim.strategies.encoding import Encoding

Observation = NDArray[np.float32]


class MarketEnv(gymnasium.Env[Observation, Any]):
    """A market in which one agent learns; all others play their strategies.

    Each step is a period. It ends by truncation after the last one, and never by termination.

    Parameters
    ----------
    scenario : str, Path or Scenario
        Name of a bundled scenario, a folder or file, or a scenario.
    agent : str, optional
        Who learns, e.g. ``atlas``; ``owners.network`` where agents of several kinds have the name. The scenario's
        first provider, where left out.
    render_mode : {'rgb_array', 'human'}, optional
        How `render` shows the map.
    render_to : str or Path, optional
        A folder for the images of ``human``, which needs a window otherwise.
    periods, overrides, strategies, actions, observe, lags, reward, record, allow_code
        As `Setting` takes them.

    Attributes
    ----------
    model : TokenMarket
        The run of the episode.
    encoding : Encoding
        How the learner sees and decides; ``encoding.to_config()`` goes with a trained policy.

    Raises
    ------
    ScenarioError, InputError
        If anything of it has faults.

    Examples
    --------
    >>> env = MarketEnv("us5", "dallas_dc", periods=24)
    >>> observation, info = env.reset(seed=1)
    >>> observation, reward, terminated, truncated, info = env.step(env.action_space.sample())
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": list(MODES), "render_fps": 4}  # type: ignore[misc]

    def __init__(
        self,
        scenario: str | Path | Scenario = "us20_oligopoly",
        agent: str | None = None,
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
        self.setting = one_learner(
            scenario, agent, periods=periods, overrides=overrides, strategies=strategies, actions=actions,
            observe=observe, lags=lags, reward=reward, record=record, allow_code=allow_code,
        )  # fmt: skip
        self.encoding: Encoding = self.setting.players[0].encoding
        self.observation_space = observation_space(self.encoding)  # type: ignore[assignment]
        self.action_space = action_space(self.encoding)
        self._episode: Episode | None = None

    @property
    def _now(self) -> Episode:
        if self._episode is None:
            raise InputError([Fault("there is no episode yet; call reset", "step")], "environment")
        return self._episode

    @property
    def model(self) -> TokenMarket:
        """The run of the episode."""
        return self._now.model

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
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
        observation : ndarray
            What the learner sees before the first period.
        info : dict
            As `Episode.info` has it.
        """
        super().reset(seed=seed)
        run = int(self.np_random.integers(SEEDS)) if seed is None else seed
        clearer = None if self._episode is None else self._episode.model.clearing_house.clearer
        self._episode = Episode(self.setting, run, clearer)
        return self._episode.observation(0), self._episode.info(0)

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Play a period.

        Parameters
        ----------
        action : ndarray or int
            Of the action space.

        Returns
        -------
        observation, reward, terminated, truncated, info
            What is seen before the next period, the reward for this one, and whether it was the last.

        Raises
        ------
        InputError
            If the episode is over.
        StrategyError, InfeasibleError, CertificateError
            As `Episode.step` does.
        """
        episode = self._now
        (reward,) = episode.step([action])
        if self.render_mode == "human":
            self.render()
        return episode.observation(0), reward, False, episode.is_over, episode.info(0)

    def get_state(self) -> dict[str, Any]:
        """Return where the environment stands, in numbers that do not depend on how the package is written.

        Returns
        -------
        dict
            ``seed`` and ``actions`` of the episode, as `Episode.get_state` has them, and ``random``, where the stream
            of later seeds stands.
        """
        return {**self._now.get_state(), "random": self.np_random.bit_generator.state}

    def set_state(self, state: Mapping[str, Any]) -> Observation:
        """Go to where an environment made with the same arguments stood, by playing its episode again.

        Parameters
        ----------
        state : mapping
            What its `get_state` returned.

        Returns
        -------
        ndarray
            What the learner observes there.
        """
        self.reset(seed=state["seed"])
        self._now.follow(state["actions"])
        self.np_random.bit_generator.state = state["random"]
        return self._now.observation(0)

    def action_masks(self) -> NDArray[np.bool_]:
        """Return which arms are worth trying, of all groups one after another, as maskable learners ask for."""
        return self.encoding.mask(self._now.views[0]).ravel().astype(bool)

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


def one_learner(scenario: str | Path | Scenario, agent: str | None, **given: Any) -> Setting:
    """Return the setting of one learner; by default the scenario's first provider.

    Raises
    ------
    InputError
        If `agent` names several agents, or none.
    """
    setting = Setting(scenario, agent, **given)
    if agent is None:
        first = setting.players[0].key
        return Setting(setting.scenario, first, **{**given, "periods": None, "overrides": None})
    if len(setting.players) > 1:
        names = [player.label for player in setting.players]
        fault = Fault(f"must be one agent; {agent!r} means {len(names)}: {', '.join(names)}", "agent")
        raise InputError([fault], "environment")
    return setting
