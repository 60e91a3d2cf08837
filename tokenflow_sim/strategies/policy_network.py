"""The networks of trained policies: a multilayer perceptron in NumPy, or an ONNX graph on one thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf, expit

from tokenflow_sim.errors import StrategyError, unknown_name
from tokenflow_sim.numeric import Floats
from tokenflow_sim.strategies.policy_config import Activation, LayerConfig, NetworkConfig

Reals = NDArray[Any]
"""Numbers in the precision of the network, single or double."""

ACTIVATIONS: dict[Activation, Callable[[Reals], Reals]] = {
    "identity": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "sigmoid": expit,
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "leaky_relu": lambda x: np.where(x > 0, x, x * x.dtype.type(0.01)),
    "silu": lambda x: x * expit(x),
    "gelu": lambda x: x * (1 + erf(x / x.dtype.type(np.sqrt(2)))) / 2,
    "softplus": lambda x: np.logaddexp(x, x.dtype.type(0)),
    "hard_tanh": lambda x: np.clip(x, -1, 1),
}
"""What each name in a policy's configuration computes."""


class Network(Protocol):
    """What turns an observation into the numbers of an action's distribution. It never changes."""

    def __call__(self, observation: Floats) -> tuple[Floats, Floats | None]:
        """Return output and log of the standard deviations, if the network has any, dims (number,) each."""
        ...


class Perceptron:
    """A multilayer perceptron, computed in the precision of its file.

    Parameters
    ----------
    layers : list of tuple
        Weight, dims (output, input); bias, dims (output,); and activation of each layer.
    log_std : tuple or ndarray or None
        A layer on top of the last but one, or the numbers themselves.

    Notes
    -----
    One observation at a time, ``activation(weight @ x + bias)`` layer by layer: NumPy on one thread gives the same
    bits in every process of a machine.
    """

    def __init__(
        self,
        layers: list[tuple[Reals, Reals, Activation]],
        log_std: tuple[Reals, Reals, Activation] | Reals | None = None,
    ) -> None:
        self._layers = [(weight, bias, ACTIVATIONS[name]) for weight, bias, name in layers]
        self._head = None
        self._log_std: Floats | None = None
        if isinstance(log_std, tuple):
            self._head = (log_std[0], log_std[1], ACTIVATIONS[log_std[2]])
        elif log_std is not None:
            self._log_std = log_std.astype(np.float64)
        self._precision = layers[0][0].dtype

    def __call__(self, observation: Floats) -> tuple[Floats, Floats | None]:
        """Return output and log of the standard deviations, dims (number,) each."""
        x = before = observation.astype(self._precision)
        for weight, bias, activation in self._layers:
            before, x = x, activation(weight @ x + bias)
        log_std = self._log_std
        if self._head is not None:
            weight, bias, activation = self._head
            log_std = activation(weight @ before + bias).astype(np.float64)
        return x.astype(np.float64), log_std

    @classmethod
    def read(cls, data: bytes, config: NetworkConfig, inputs: int, file: str) -> Self:
        """Read a safetensors file.

        Parameters
        ----------
        data : bytes
            The file.
        config : NetworkConfig
            Which tensors are which layers.
        inputs : int
            Length of observations.
        file : str
            Its path, for messages.

        Raises
        ------
        StrategyError
            If the file is damaged, lacks a tensor, or tensors do not fit each other.
        """
        numpy_api, base = load_library("safetensors.numpy"), load_library("safetensors")
        try:
            tensors = numpy_api.load(data)
        except (base.SafetensorError, ValueError, KeyError, TypeError) as error:
            raise StrategyError(f"{file} is damaged, or no safetensors file ({error})") from None
        if not config.layers:
            raise StrategyError(f"{file} belongs to a policy whose configuration names no layers")
        read = _Tensors(tensors, file)
        layers, width, below = [], inputs, inputs
        for layer in config.layers:
            layers.append(read.layer(layer, width))
            below, width = width, len(layers[-1][1])
        spread = config.log_std
        if isinstance(spread, LayerConfig):
            return cls(layers, read.layer(spread, below))
        return cls(layers, None if spread is None else read.vector(spread))


class _Tensors:
    """The tensors of a file, taken by name."""

    def __init__(self, tensors: Mapping[str, Reals], file: str) -> None:
        self.tensors, self.file = tensors, file
        self.precision: np.dtype[Any] | None = None

    def layer(self, config: LayerConfig, inputs: int) -> tuple[Reals, Reals, Activation]:
        weight = self.take(config.weight)
        if weight.ndim != 2 or weight.shape[1] != inputs or not len(weight):
            raise StrategyError(
                f"{self.file}: tensor {config.weight!r} has the shape {weight.shape}, where {inputs} numbers"
                f" enter; a layer's weight has the dims (output, input)"
            )
        bias = np.zeros(len(weight), weight.dtype) if config.bias is None else self.vector(config.bias)
        if len(bias) != len(weight):
            raise StrategyError(
                f"{self.file}: tensor {config.bias!r} has {len(bias)} numbers, where its layer has {len(weight)}"
            )
        return weight, bias, config.activation

    def vector(self, name: str) -> Reals:
        vector = self.take(name)
        if vector.ndim != 1:
            raise StrategyError(
                f"{self.file}: tensor {name!r} has the shape {vector.shape}; must have one dim"
            )
        return vector

    def take(self, name: str) -> Reals:
        if name not in self.tensors:
            raise StrategyError(f"{self.file}: {unknown_name('tensor', name, list(self.tensors))}")
        found = self.tensors[name]
        if found.dtype not in (np.float32, np.float64):
            raise StrategyError(f"{self.file}: tensor {name!r} is {found.dtype}; must be float32 or float64")
        if self.precision is not None and found.dtype != self.precision:
            raise StrategyError(f"{self.file}: tensor {name!r} is {found.dtype}, others are {self.precision}")
        self.precision = found.dtype
        if not np.isfinite(found).all():
            raise StrategyError(f"{self.file}: tensor {name!r} holds numbers that are not finite")
        return found


class OnnxGraph:
    """An ONNX graph, run by onnxruntime on the processor and on one thread, so that its bits do not vary.

    Parameters
    ----------
    data : bytes
        The file.
    inputs : int
        Length of observations.
    file : str
        Its path, for messages.

    Raises
    ------
    StrategyError
        If the file is damaged, or its inputs and outputs are not those of a policy.
    """

    def __init__(self, data: bytes, inputs: int, file: str) -> None:
        runtime = load_library("onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.use_deterministic_compute = True
        options.log_severity_level = 3  # errors, which are raised as well
        try:
            self._session = runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime has a class of its own for each way to fail
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise StrategyError(
                f"{file} is damaged, or no ONNX file that onnxruntime reads ({reason:.200})"
            ) from None
        taken = self._session.get_inputs()
        self._outputs = [one.name for one in self._session.get_outputs()]
        if [one.name for one in taken] != ["observation"] or self._outputs not in (
            ["action"], ["action", "log_std"]
        ):  # fmt: skip
            raise StrategyError(
                f"{file}: a policy's graph takes 'observation' and returns 'action', and perhaps 'log_std'; this one"
                f" takes {[one.name for one in taken]} and returns {self._outputs}"
            )
        precisions = {"tensor(float)": np.float32, "tensor(double)": np.float64}
        if taken[0].type not in precisions:
            raise StrategyError(f"{file}: observations must be float32 or float64; found {taken[0].type}")
        self._precision = precisions[taken[0].type]
        self._file = file
        shape = list(taken[0].shape)
        if len(shape) != 2 or (isinstance(shape[1], int) and shape[1] != inputs):
            raise StrategyError(
                f"{file}: the graph takes observations of the shape {shape}, where {inputs} numbers enter; it must"
                " have the dims (batch, number)"
            )
        self(np.zeros(inputs))  # what fits by its labels may still fail

    def __call__(self, observation: Floats) -> tuple[Floats, Floats | None]:
        """Return output and log of the standard deviations, dims (number,) each.

        Raises
        ------
        StrategyError
            If the graph cannot be run.
        """
        given = {"observation": observation.astype(self._precision)[None]}
        try:
            output, *spread = self._session.run(self._outputs, given)
        except Exception as error:  # onnxruntime has a class of its own for each way to fail
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise StrategyError(f"{self._file}: the graph cannot be run ({reason:.200})") from None
        log_std = np.asarray(spread[0], dtype=np.float64).reshape(-1) if spread else None
        return np.asarray(output, dtype=np.float64).reshape(-1), log_std


def load_library(module: str) -> Any:
    """Import a module of the extra `learning`.

    Raises
    ------
    StrategyError
        If it is not installed; names the extra.
    """
    try:
        return import_module(module)
    except ImportError:
        package = module.partition(".")[0]
        raise StrategyError(
            f'a trained policy needs {package}, which is not installed: pip install "tokenflow-sim[learning]"'
        ) from None
