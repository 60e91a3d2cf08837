"""What stands in a policy's ``policy.json``: network, distribution, encoding, and where it came from."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tokenflow_sim.errors import StrategyError
from tokenflow_sim.scenario.places import faults_of, path_of

FORMAT = 1
"""The format of ``policy.json`` that this version writes, and the newest that it reads."""
CONFIG = "policy.json"
Activation = Literal[
    "identity", "relu", "tanh", "sigmoid", "elu", "leaky_relu", "silu", "gelu", "softplus", "hard_tanh"
]
"""Activations by name, each with PyTorch's default parameters; GELU is the exact one."""
DistributionKind = Literal[
    "categorical", "multi_categorical", "greedy", "gaussian", "squashed_gaussian", "deterministic"
]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class LayerConfig(_Part):
    """A layer of a multilayer perceptron: names of its tensors in the safetensors file, and its activation."""

    weight: str
    bias: str | None = None
    activation: Activation = "identity"


class NetworkConfig(_Part):
    """The file of a network; for safetensors, its layers too.

    Parameters
    ----------
    file : str
        Name of the file beside ``policy.json``.
    format : {'safetensors', 'onnx'}
        Its format. An ONNX graph takes ``observation``, dims (batch, number), and returns ``action``, and ``log_std``
        where the spread of a Gaussian depends on the observation.
    sha256 : str
        Digest of the file.
    layers : tuple of LayerConfig
        Layers in their order, for safetensors.
    log_std : LayerConfig or str or None
        Log of the standard deviations of a Gaussian, for safetensors: a tensor, or a layer on top of the last but
        one. None where there is none.
    """

    file: str = Field(pattern=r"^[^/\\]+$")
    format: Literal["safetensors", "onnx"]
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    layers: tuple[LayerConfig, ...] = ()
    log_std: LayerConfig | str | None = None


class DistributionConfig(_Part):
    """How the network's output becomes an action.

    Parameters
    ----------
    kind : str
        ``categorical`` and ``multi_categorical``: the output has logits, one set for each choice. ``greedy``: values
        of choices, of which the highest is taken. ``gaussian``: means; of the mean or of what is drawn around it, the
        nearest number from -1 to 1 is taken. ``squashed_gaussian``: the same with the hyperbolic tangent.
        ``deterministic``: the action itself, as numbers from -1 to 1.
    epsilon : float
        Probability of a choice drawn evenly, for ``greedy`` that is not deterministic.
    log_std : tuple of float or None
        Log of the standard deviations where they do not depend on the observation and the network has none.
    """

    kind: DistributionKind
    epsilon: float = Field(default=0.0, ge=0.0, le=1.0)
    log_std: tuple[float, ...] | None = None


class NormalisationConfig(_Part):
    """What observations are centred and scaled by before the network: ``clip((x - mean) / scale)``."""

    mean: tuple[float, ...]
    scale: tuple[float, ...]
    clip: float = Field(gt=0.0)


class PolicyConfig(_Part):
    """The whole of ``policy.json``.

    Parameters
    ----------
    format : int
        Version of the format.
    encoding : dict
        The encoding of observations and actions as `Encoding.to_config` returns it.
    network, distribution, normalisation
        The parts.
    made_by : dict
        Versions of what trained and wrote it, for the reader.
    """

    format: int
    encoding: dict[str, Any]
    network: NetworkConfig
    distribution: DistributionConfig
    normalisation: NormalisationConfig | None = None
    made_by: dict[str, str] = Field(default_factory=dict)


def read_config(text: bytes, file: str) -> PolicyConfig:
    """Read ``policy.json``.

    Parameters
    ----------
    text : bytes
        Its content.
    file : str
        Its path, for messages.

    Raises
    ------
    StrategyError
        If it is no such file, or of a newer format; reports all its faults in one line.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:  # the second where lists are nested without end
        raise StrategyError(f"{file} is damaged, or no JSON ({error})") from None
    found = data.get("format") if isinstance(data, dict) else None
    if isinstance(found, int) and found != FORMAT:
        raise StrategyError(f"{file} has format {found}; this version of tokenflow_sim reads format {FORMAT}")
    try:
        return PolicyConfig.model_validate(data)
    except ValidationError as error:
        faults = faults_of(error, PolicyConfig)
        said = "; ".join(f"{path_of(loc)}: {message}" if loc else message for loc, message in faults)
        raise StrategyError(f"{file} describes no policy: {said}") from None
