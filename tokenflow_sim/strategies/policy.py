"""A trained policy as a folder: ``policy.json`` with the file of its network beside it, read, checked and written."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np

from tokenflow_sim.disk import remove, write_whole, writing
from tokenflow_sim.errors import InputError, StrategyError
from tokenflow_sim.numeric import Floats, Ints
from tokenflow_sim.strategies.action_distribution import ActionDistribution
from tokenflow_sim.strategies.action_encoding import ActionEncoding
from tokenflow_sim.strategies.encoding import Encoding
from tokenflow_sim.strategies.policy_config import (
    CONFIG,
    FORMAT,
    DistributionConfig,
    LayerConfig,
    NetworkConfig,
    NormalisationConfig,
    PolicyConfig,
    read_config,
)
from tokenflow_sim.strategies.policy_network import Network, OnnxGraph, Perceptron, Reals, load_library

_OLDER = re.compile(r"network(-[0-9a-f]{12})?\.(safetensors|onnx)")
"""Names of networks that are removed once another has taken their place."""
_LARGEST = 1 << 30
"""Bytes of a file that are read at most."""


class Policy:
    """A trained policy: what it sees, its network, and how its output becomes an action. It never changes.

    Parameters
    ----------
    config : bytes
        ``policy.json``.
    network : bytes
        The file of the network.
    place : str
        Path of the folder, for messages.

    Attributes
    ----------
    encoding : Encoding
        What observations and actions mean.
    digest : str
        SHA-256 of ``policy.json``, which holds that of the network's file: a policy with another digest is another.

    Raises
    ------
    StrategyError
        If a file is damaged or the parts do not fit each other.
    """

    def __init__(self, config: bytes, network: bytes, place: str) -> None:
        self._files = config, network, place
        self.config = read_config(config, f"{place}/{CONFIG}")
        self.digest = sha256(config).hexdigest()
        self.place = place
        file = f"{place}/{self.config.network.file}"
        if (found := sha256(network).hexdigest()) != self.config.network.sha256:
            raise StrategyError(
                f"{file} is not the file that {CONFIG} was written with: its SHA-256 begins {found[:12]},"
                f" {CONFIG} says {self.config.network.sha256[:12]}; it was changed or damaged since"
            )
        try:
            self.encoding = Encoding.from_config(self.config.encoding)
        except InputError as error:
            said = "; ".join(": ".join(filter(None, (fault.place, fault.message))) for fault in error.faults)
            raise StrategyError(f"{place}/{CONFIG}: its encoding: {said}") from None
        self._network: Network
        inputs = self.encoding.observation.size
        if self.config.network.format == "onnx":
            self._network = OnnxGraph(network, inputs, file)
        else:
            self._network = Perceptron.read(network, self.config.network, inputs, file)
        self._distribution = self._fitting_distribution()
        self._mean, self._scale, self._clip = np.zeros(inputs), np.ones(inputs), np.inf
        if (normal := self.config.normalisation) is not None:
            self._mean, self._scale, self._clip = np.array(normal.mean), np.array(normal.scale), normal.clip
            if {len(normal.mean), len(normal.scale)} != {inputs} or (self._scale <= 0).any():
                raise StrategyError(
                    f"{place}/{CONFIG}: normalisation needs {inputs} means and as many scales above zero, one for each"
                    " number of an observation"
                )
        spread = self.config.distribution.log_std
        self._log_std = None if spread is None else np.array(spread)
        self._check_output(file)

    def _fitting_distribution(self) -> ActionDistribution:
        """Return the distribution over the encoding's actions."""
        config, action = self.config.distribution, self.encoding.action
        choices = choices_of(action)
        made = ActionDistribution(
            kind=config.kind,
            choices=choices,
            numbers=0 if choices else action.shape[0],
            epsilon=config.epsilon,
        )
        if made.is_discrete != bool(choices):
            wanted = "choices" if choices else "numbers"
            raise StrategyError(
                f"{self.place}/{CONFIG}: the distribution {config.kind!r} does not fit the encoding, whose actions are"
                f" {wanted}"
            )
        return made

    def _check_output(self, file: str) -> None:
        """Compare the length of the network's output with what the distribution takes."""
        output, spread = self._network(np.zeros(self.encoding.observation.size))
        if len(output) != self._distribution.width:
            raise StrategyError(
                f"{file}: the network returns {len(output)} numbers, where the actions of the policy's encoding take"
                f" {self._distribution.width}"
            )
        spread = self._log_std if spread is None else spread
        if self._distribution.is_gaussian and (spread is None or len(spread) != len(output)):
            found = "none" if spread is None else str(len(spread))
            raise StrategyError(
                f"{file}: a Gaussian over {len(output)} actions needs as many standard deviations; found {found}"
            )

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read a policy from its folder, or from its ``policy.json``.

        Parameters
        ----------
        path : str or Path
            Either of them.

        Raises
        ------
        StrategyError
            If files are missing or damaged, of a newer format, or do not fit each other.
        """
        folder = Path(path)
        folder = folder if folder.is_dir() else _folder_of(folder)
        config = _read(folder / CONFIG)
        file = read_config(config, str(folder / CONFIG)).network.file
        try:
            network = _read(folder / file)
        except StrategyError:
            if _read(folder / CONFIG) == config:
                raise
            return cls.read(folder)  # the policy was replaced between the two files
        return cls(config, network, str(folder))

    def act(
        self, observation: Reals, rng: np.random.Generator, *, deterministic: bool = True
    ) -> Floats | Ints:
        """Return the action that follows an observation, shaped as the encoding's actions are.

        Parameters
        ----------
        observation : ndarray
            As the encoding makes it, dims (number,).
        rng : numpy.random.Generator
            Where an action that is not deterministic is drawn from.
        deterministic : bool
            Whether to take the most likely action.

        Raises
        ------
        StrategyError
            If a number of the observation, or of what the network returns, is not finite.
        """
        if not np.isfinite(observation).all():
            where = int(np.flatnonzero(~np.isfinite(observation))[0])
            raise StrategyError(
                f"policy {self.place}: its observation is not finite: {self.encoding.observation.names[where]} is"
                f" {observation[where]}"
            )
        x = np.clip((observation - self._mean) / self._scale, -self._clip, self._clip)
        with np.errstate(over="ignore", invalid="ignore"):  # reported below, with what it comes from
            output, log_std = self._network(x)
        log_std = self._log_std if log_std is None else log_std
        if not np.isfinite(output).all() or not (log_std is None or np.isfinite(log_std).all()):
            raise StrategyError(f"policy {self.place}: its network returns numbers that are not finite")
        action = self._distribution.act(output, log_std, rng, deterministic)
        return action.reshape(self.encoding.action.shape)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the files' bytes: another process plays the policy that was read, whatever is on its disk."""
        return type(self), self._files

    def __copy__(self) -> Self:
        """Return itself: it never changes."""
        return self

    def __deepcopy__(self, memo: Mapping[int, Any]) -> Self:
        """Return itself: it never changes."""
        return self

    def fingerprint(self) -> dict[str, str]:
        """Return its digest by its path, for the attribute `code` of results."""
        return {f"policy {self.place}": self.digest}


def write_policy(
    path: str | Path,
    encoding: Encoding,
    distribution: DistributionConfig,
    layers: Sequence[tuple[Reals, Reals | None, str]] = (),
    *,
    log_std: tuple[Reals, Reals | None] | None = None,
    onnx: bytes | None = None,
    normalisation: NormalisationConfig | None = None,
    made_by: Mapping[str, str] | None = None,
) -> Path:
    """Write a policy as a folder: from arrays as safetensors, or from an ONNX graph.

    Parameters
    ----------
    path : str or Path
        The folder; it is made where it does not exist, and the policy in it is replaced.
    encoding : Encoding
        What observations and actions mean.
    distribution : DistributionConfig
        How the network's output becomes an action.
    layers : sequence of tuple
        Weight, dims (output, input); bias, dims (output,), or None; and name of the activation of each layer.
    log_std : tuple, optional
        Weight and bias of the layer, on top of the last but one, that gives the log of the standard deviations.
    onnx : bytes, optional
        An ONNX graph, in place of layers.
    normalisation : NormalisationConfig, optional
        What observations are scaled by before the network.
    made_by : mapping, optional
        Versions of what trained the policy, beside this package's.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    StrategyError
        If the parts do not fit each other.
    ResultError
        If the folder cannot be written.

    Examples
    --------
    >>> write_policy("offers", encoding, DistributionConfig(kind="deterministic"), [(weight, bias, "tanh")])
    """
    described: list[LayerConfig] = []
    spread: LayerConfig | None = None
    if onnx is None:
        tensors: dict[str, Reals] = {}
        for number, (weight, bias, activation) in enumerate(layers):
            described.append(_layer(tensors, f"layer{number}", weight, bias, activation))
        if log_std is not None:
            spread = _layer(tensors, "log_std", *log_std, "identity")
        data: bytes = load_library("safetensors.numpy").save(tensors)
    else:
        data = onnx
    form: Literal["safetensors", "onnx"] = "safetensors" if onnx is None else "onnx"
    digest = sha256(data).hexdigest()
    config = PolicyConfig(
        format=FORMAT,
        encoding=encoding.to_config(),
        network=NetworkConfig(
            file=f"network-{digest[:12]}.{form}",
            format=form,
            sha256=digest,
            layers=tuple(described),
            log_std=spread,
        ),
        distribution=distribution,
        normalisation=normalisation,
        made_by={"tokenflow_sim": version("tokenflow-sim"), **(made_by or {})},
    )
    text = json.dumps(config.model_dump(), indent=1).encode() + b"\n"
    folder = Path(path)
    Policy(text, data, str(folder))  # what cannot be read again is not written
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    # Another network has another name, so that the policy that was there stays whole until the last step replaces it.
    write_whole(folder / config.network.file, data, keeps=False)
    write_whole(folder / CONFIG, text, keeps=False)
    for other in folder.iterdir():
        if _OLDER.fullmatch(other.name) and other.name != config.network.file:
            remove(other)
    return folder


def choices_of(action: ActionEncoding) -> tuple[int, ...]:
    """Return the number of options of each choice; none where actions are numbers."""
    return (len(action.arms),) * action.groups if action.actions.form == "discrete" else ()


def _layer(
    tensors: dict[str, Reals], name: str, weight: Reals, bias: Reals | None, activation: str
) -> LayerConfig:
    """Add a layer's tensors, and return how the configuration names them."""
    tensors[f"{name}.weight"] = np.ascontiguousarray(weight)
    if bias is not None:
        tensors[f"{name}.bias"] = np.ascontiguousarray(bias)
    return LayerConfig.model_validate(
        {
            "weight": f"{name}.weight",
            "bias": None if bias is None else f"{name}.bias",
            "activation": activation,
        }
    )


def _folder_of(path: Path) -> Path:
    """Return the folder of a policy that is named by a file in it."""
    if path.is_file() and (path.name == CONFIG or (path.parent / CONFIG).is_file()):
        return path.parent
    if path.exists():
        raise StrategyError(f"{path} is no policy: name the folder that holds {CONFIG}, or that file")
    raise StrategyError(f"{path} does not exist; a policy is a folder with {CONFIG} and its network")


def _read(file: Path) -> bytes:
    """Read a file of bounded size."""
    try:
        size = file.stat().st_size
        if size > _LARGEST:
            raise StrategyError(f"{file} has {size >> 20} MiB; at most {_LARGEST >> 20} are read")
        return file.read_bytes()
    except FileNotFoundError:
        raise StrategyError(
            f"{file} does not exist; a policy is a folder with {CONFIG} and its network"
        ) from None
    except OSError as error:
        raise StrategyError(f"{file} cannot be read: {error.strerror or error}") from None
