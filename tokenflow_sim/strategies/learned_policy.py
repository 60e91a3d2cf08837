"""Strategies that play a trained policy, read from a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from tokenflow_sim.errors import StrategyError
from tokenflow_sim.strategies.action_encoding import Submission
from tokenflow_sim.strategies.base import Kind, Offer, Strategy, View
from tokenflow_sim.strategies.demand import Bid, DemandStrategy, DemandView
from tokenflow_sim.strategies.network import NetworkStrategy, NetworkView, Tender
from tokenflow_sim.strategies.policy import Policy


class LearnedPolicy(Strategy):
    """Offer as a trained policy says, which was exported from Stable-Baselines3 or PyTorch.

    Parameters
    ----------
    path : str or Path
        Folder of the policy: ``policy.json`` with the file of its network, safetensors or ONNX. In a scenario's file
        it starts in the folder of that file, elsewhere in the working folder.
    deterministic : bool
        Whether to take the most likely action; else actions are drawn from the provider's own stream of random
        numbers, as in training.

    Raises
    ------
    StrategyError
        If the policy cannot be read, or its files do not fit each other; when it plays, if it is one of another
        market (which labels differ is in the message), or an observation is not finite.

    Notes
    -----
    The policy's encoding turns the view of each period into a vector, and the network's action into an offer
    (`tokenflow_sim.strategies.encoding`). It learns nothing any more: the same view leads to the same offer, or, where
    actions are drawn, the same seed to the same offers. Nothing in its files is code: there are no pickles.

    Results have the policy's digest in their attribute ``code``. A model that is pickled or sent to another process
    takes along the policy that was read.
    """

    def __init__(self, path: str | Path = "", deterministic: bool = True) -> None:
        self.path, self.deterministic = str(path), deterministic
        self.policy = _read("provider", path)

    def offer(self, view: View) -> Offer:
        """Make the offer that the policy's action says."""
        return cast("Offer", _submission(self, view))


class LearnedTariff(NetworkStrategy):
    """Tender as a trained policy says, which was exported from Stable-Baselines3 or PyTorch.

    Parameters
    ----------
    path : str or Path
        Folder of the policy: ``policy.json`` with the file of its network, safetensors or ONNX. In a scenario's file
        it starts in the folder of that file, elsewhere in the working folder.
    deterministic : bool
        Whether to take the most likely action; else actions are drawn from the owner's own stream of random numbers.

    Raises
    ------
    StrategyError
        As `LearnedPolicy` does.

    Notes
    -----
    What `LearnedPolicy` is to providers, to network owners.
    """

    def __init__(self, path: str | Path = "", deterministic: bool = True) -> None:
        self.path, self.deterministic = str(path), deterministic
        self.policy = _read("owner", path)

    def tender(self, view: NetworkView) -> Tender:
        """Make the tender that the policy's action says."""
        return cast("Tender", _submission(self, view))


class LearnedBid(DemandStrategy):
    """Bid as a trained policy says, which was exported from Stable-Baselines3 or PyTorch.

    Parameters
    ----------
    path : str or Path
        Folder of the policy: ``policy.json`` with the file of its network, safetensors or ONNX. In a scenario's file
        it starts in the folder of that file, elsewhere in the working folder.
    deterministic : bool
        Whether to take the most likely action; else actions are drawn from the region's own stream of random numbers.

    Raises
    ------
    StrategyError
        As `LearnedPolicy` does.

    Notes
    -----
    What `LearnedPolicy` is to providers, to demand regions.
    """

    def __init__(self, path: str | Path = "", deterministic: bool = True) -> None:
        self.path, self.deterministic = str(path), deterministic
        self.policy = _read("region", path)

    def bid(self, view: DemandView) -> Bid:
        """Make the bid that the policy's action says."""
        return cast("Bid", _submission(self, view))


def _read(kind: Kind, path: str | Path) -> Policy:
    """Read a policy of a kind of agent."""
    if not isinstance(path, (str, Path)) or not str(path):
        raise StrategyError("path: name the folder of a trained policy")
    policy = Policy.read(path)
    if policy.encoding.kind != kind:
        article = "an" if policy.encoding.kind == "owner" else "a"
        raise StrategyError(
            f"policy {policy.place} is one of {article} {policy.encoding.kind}, not of this {kind}"
        )
    return policy


def _submission(strategy: LearnedPolicy | LearnedTariff | LearnedBid, view: Any) -> Submission:
    """Return what the policy's action makes of a view."""
    policy = strategy.policy
    if found := policy.encoding.mismatch(view):
        raise StrategyError(f"policy {policy.place} is one of another market: {found}")
    observation = policy.encoding.observe(view)
    action = policy.act(observation, view.rng, deterministic=strategy.deterministic)
    return policy.encoding.submission(view, action)
