"""Trained networks of Stable-Baselines3 and PyTorch, written as policies that play in markets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tokenflow_sim.errors import StrategyError, unknown_name
from tokenflow_sim.learning.libraries import load
from tokenflow_sim.learning.torch_network import Layer, array, layers_of, onnx_of
from tokenflow_sim.results.files import remove_stale
from tokenflow_sim.strategies.encoding import Encoding
from tokenflow_sim.strategies.policy import choices_of, write_policy
from tokenflow_sim.strategies.policy_config import (
    DistributionConfig,
    DistributionKind,
    NormalisationConfig,
)
from tokenflow_sim.strategies.policy_network import Reals

Format = Literal["safetensors", "onnx"]
_ALGORITHMS = ("PPO", "A2C", "DQN", "SAC", "TD3", "DDPG")
_ENDS = ("low", "high", "n", "nvec")
"""What bounds a space, whichever kind it is of."""


def export_policy(
    model: Any,
    path: str | Path,
    *,
    encoding: Encoding | None = None,
    format: Format = "safetensors",
    distribution: DistributionKind | None = None,
    log_std: Sequence[float] | None = None,
) -> Path:
    """Write a trained policy as a folder that `LearnedPolicy` plays.

    Parameters
    ----------
    model : stable_baselines3 algorithm or torch.nn.Module
        A PPO, A2C, DQN, SAC, TD3 or DDPG model of Stable-Baselines3, with what it normalises observations by
        (`VecNormalize`); or a module that takes observations, dims (batch, number), and returns what `distribution`
        says.
    path : str or Path
        The folder; a policy in it is replaced.
    encoding : Encoding, optional
        What observations and actions mean; that of the model's environment if left out.
    format : {'safetensors', 'onnx'}
        The network's file: layers of a multilayer perceptron, or whatever PyTorch can export as a graph.
    distribution : str, optional
        For a module: ``categorical`` where it returns logits, the default where actions are choices; ``greedy`` for
        values of choices; ``deterministic`` for actions from -1 to 1, the default otherwise; ``gaussian`` or
        ``squashed_gaussian`` for means, with `log_std`, or where it returns means and logs of standard deviations.
    log_std : sequence of float, optional
        Log of the standard deviations of a Gaussian that do not depend on the observation.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    StrategyError
        If the network cannot be written in this format, or does not fit the encoding.
    InputError
        If PyTorch, or for ONNX onnxscript, is not installed.
    ResultError
        If the folder cannot be written.

    Examples
    --------
    >>> model = PPO("MlpPolicy", env).learn(100_000)
    >>> export_policy(model, "policies/atlas")
    """
    if format not in ("safetensors", "onnx"):
        raise StrategyError(unknown_name("format", format, ["safetensors", "onnx"]))
    torch = load("torch", "the export of a policy")
    if isinstance(model, torch.nn.Module):
        if encoding is None:
            raise StrategyError(
                "a module does not say what it observes: give encoding=, e.g. that of the environment"
            )
        parts = _of_module(model, encoding, distribution, log_std, format)
    else:
        if distribution is not None or log_std is not None:
            raise StrategyError("distribution and log_std are for modules; a model has its own")
        parts = _of_model(model)
        encoding = _encoding_of(model) if encoding is None else encoding
        _check_spaces(model, encoding)
    given: dict[str, Any] = {}
    if format == "onnx":
        names = ["action", "log_std"] if parts.has_spread else ["action"]
        given["onnx"] = onnx_of(parts.module, encoding.observation.size, names)
    else:
        given |= {"layers": layers_of(*parts.layers), "log_std": parts.spread()}
    folder = write_policy(
        path, encoding, parts.distribution, normalisation=parts.normalisation, made_by=_versions(), **given
    )
    for file in folder.iterdir():  # what an export that was killed had begun
        if not file.name.startswith("."):
            remove_stale(file)
    return folder


@dataclass(kw_only=True)
class _Parts:
    """What a policy is written from.

    `layers` are the modules whose last returns means, logits or values; `log_std`, where it is a module, stands on top
    of what the last of them takes; `module` does the same in one.
    """

    distribution: DistributionConfig
    layers: tuple[Any, ...]
    module: Any
    log_std: Any = None
    has_spread: bool = False
    normalisation: NormalisationConfig | None = None

    def spread(self) -> tuple[Reals, Reals | None] | None:
        """Return weight and bias of the layer that gives the log of the standard deviations, if there is one."""
        if self.log_std is None:
            return None
        found: list[Layer] = layers_of(self.log_std)
        return found[0][:2]


def _of_module(
    module: Any,
    encoding: Encoding,
    kind: DistributionKind | None,
    log_std: Sequence[float] | None,
    format: Format,
) -> _Parts:
    kind = kind or ("categorical" if choices_of(encoding.action) else "deterministic")
    spread = None if log_std is None else tuple(float(one) for one in log_std)
    made = DistributionConfig(kind=kind, log_std=spread)
    has_spread = spread is None and kind in ("gaussian", "squashed_gaussian")
    if has_spread and format == "safetensors":
        raise StrategyError(
            f"a {kind} needs log_std=, the log of its standard deviations; a module that returns them beside the means"
            " is exported with format='onnx'"
        )
    return _Parts(distribution=made, layers=(module,), module=module, has_spread=has_spread)


def _of_model(model: Any) -> _Parts:
    """Take a model of Stable-Baselines3 apart."""
    algorithms = load("stable_baselines3", "the export of a policy")
    names = [cls.__name__ for cls in type(model).__mro__]
    name = next((one for one in names if one in _ALGORITHMS), None)
    if name is None or not isinstance(model, getattr(algorithms, name)):
        raise StrategyError(
            f"{type(model).__name__} cannot be exported; known: modules of PyTorch, and {', '.join(_ALGORITHMS)} of"
            " Stable-Baselines3"
        )
    if getattr(model, "use_sde", False):
        raise StrategyError("state-dependent exploration (use_sde) cannot be exported: train without it")
    from tokenflow_sim.learning.chain import Chain

    normalisation = _normalisation(model)
    policy = model.policy
    if name in ("PPO", "A2C"):
        kinds: dict[str, DistributionKind] = {
            "DiagGaussianDistribution": "gaussian",
            "CategoricalDistribution": "categorical",
            "MultiCategoricalDistribution": "multi_categorical",
        }
        found = type(policy.action_dist).__name__
        if found not in kinds:
            raise StrategyError(f"actions of the kind {type(model.action_space).__name__} cannot be exported")
        gaussian = kinds[found] == "gaussian"
        log_std = tuple(float(one) for one in array(policy.log_std)) if gaussian else None
        extractor = policy.pi_features_extractor
        heads = (policy.mlp_extractor.policy_net, policy.action_net)
        made = DistributionConfig(kind=kinds[found], log_std=log_std)
        layers: tuple[Any, ...] = (extractor_layers(extractor), *heads)
        return _Parts(
            distribution=made, layers=layers, module=Chain(extractor, *heads), normalisation=normalisation
        )
    if name == "DQN":
        made = DistributionConfig(kind="greedy", epsilon=float(model.exploration_rate))
        extractor, head = policy.q_net.features_extractor, policy.q_net.q_net
        layers = (extractor_layers(extractor), head)
        return _Parts(
            distribution=made, layers=layers, module=Chain(extractor, head), normalisation=normalisation
        )
    actor = policy.actor
    extractor = actor.features_extractor
    if name == "SAC":
        made = DistributionConfig(kind="squashed_gaussian")
        layers = (extractor_layers(extractor), actor.latent_pi, actor.mu)
        module = Chain(extractor, actor.latent_pi, actor.mu, spread=actor.log_std)
        return _Parts(
            distribution=made, layers=layers, module=module, log_std=actor.log_std, has_spread=True,
            normalisation=normalisation,
        )  # fmt: skip
    made = DistributionConfig(kind="deterministic")
    layers = (extractor_layers(extractor), actor.mu)
    return _Parts(
        distribution=made, layers=layers, module=Chain(extractor, actor.mu), normalisation=normalisation
    )


def extractor_layers(extractor: Any) -> Any:
    """Return the module of a features extractor that flattens, which changes nothing; the extractor otherwise."""
    return extractor.flatten if type(extractor).__name__ == "FlattenExtractor" else extractor


def _normalisation(model: Any) -> NormalisationConfig | None:
    """Return what `VecNormalize` does to observations, if the model's environment has it."""
    wrapper = model.get_vec_normalize_env()
    if wrapper is None or not wrapper.norm_obs:
        return None
    scale = (wrapper.obs_rms.var + wrapper.epsilon) ** 0.5
    return NormalisationConfig(
        mean=tuple(map(float, wrapper.obs_rms.mean)),
        scale=tuple(map(float, scale)),
        clip=float(wrapper.clip_obs),
    )


def _encoding_of(model: Any) -> Encoding:
    """Return the encoding of a model's environment."""
    env = model.get_env()
    try:
        found = None if env is None else env.get_attr("encoding")[0]
    except AttributeError:
        found = None
    if not isinstance(found, Encoding):
        raise StrategyError(
            "the model's environment is none of tokenflow_sim.env, or was left out when it was loaded: give encoding="
        )
    return found


def _check_spaces(model: Any, encoding: Encoding) -> None:
    """Refuse a model that a wrapper showed other numbers than the encoding's: its policy would play by them."""
    from tokenflow_sim.env.spaces import action_space, observation_space

    pairs = {
        "observations": (model.observation_space, observation_space(encoding)),
        "actions": (model.action_space, action_space(encoding)),
    }
    for what, (seen, ours) in pairs.items():
        # Another shape is told with that of the network.
        if seen.shape == ours.shape and not (
            type(seen) is type(ours)
            and all(
                np.array_equal(getattr(seen, end), getattr(ours, end)) for end in _ENDS if hasattr(ours, end)
            )
        ):
            found, wanted = (" ".join(str(space).split()) for space in (seen, ours))
            raise StrategyError(
                f"the model was trained with {what} of {found:.60}, where the encoding has {wanted:.60}: what a"
                " wrapper does to them cannot be exported; train without it (VecNormalize is exported)"
            )


def _versions() -> dict[str, str]:
    found = {}
    for package in ("torch", "stable-baselines3"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
