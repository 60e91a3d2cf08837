"""Layers of PyTorch modules as arrays, and modules as ONNX graphs."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from tokenflow_sim.errors import StrategyError
from tokenflow_sim.learning.libraries import load
from tokenflow_sim.strategies.policy_network import Reals

Layer = tuple[Reals, Reals | None, str]
"""Weight, bias and the name of the activation of a layer."""

# What each activation is called in a policy's configuration, with the only parameters that it may have.
_ACTIVATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "Tanh": ("tanh", {}),
    "ReLU": ("relu", {}),
    "Sigmoid": ("sigmoid", {}),
    "SiLU": ("silu", {}),
    "ELU": ("elu", {"alpha": 1.0}),
    "LeakyReLU": ("leaky_relu", {"negative_slope": 0.01}),
    "GELU": ("gelu", {"approximate": "none"}),
    "Softplus": ("softplus", {"beta": 1.0, "threshold": 20.0}),
    "Hardtanh": ("hard_tanh", {"min_val": -1.0, "max_val": 1.0}),
}
_NOTHING = {"Identity", "Dropout", "Flatten"}
"""Modules that leave a single observation as it is once a policy is trained."""


def layers_of(*modules: Any) -> list[Layer]:
    """Return the layers of modules that follow each other.

    Parameters
    ----------
    *modules
        Linear layers, activations, and Sequentials of them.

    Raises
    ------
    StrategyError
        If a module is none of these; names it, and ONNX as the way.
    """
    layers: list[Layer] = []
    for module in _flat(modules):
        name = type(module).__name__
        if name == "Linear":
            bias = None if module.bias is None else array(module.bias)
            layers.append((array(module.weight), bias, "identity"))
        elif name in _ACTIVATIONS:
            called, wanted = _ACTIVATIONS[name]
            found = {key: getattr(module, key) for key in wanted}
            if found != wanted:
                raise StrategyError(_refusal(f"{name} with {found}"))
            if not layers or layers[-1][2] != "identity":
                raise StrategyError(_refusal(f"{name} that does not follow a Linear layer"))
            layers[-1] = (*layers[-1][:2], called)
        elif name not in _NOTHING:
            raise StrategyError(_refusal(name))
    if not layers:
        raise StrategyError("this network has no layers")
    return layers


def _flat(modules: tuple[Any, ...]) -> list[Any]:
    found: list[Any] = []
    for module in modules:
        # A Sequential of nothing, as of a network without hidden layers, changes nothing.
        found += _flat(tuple(module)) if type(module).__name__ == "Sequential" else [module]
    return found


def _refusal(what: str) -> str:
    known = ", ".join(["Linear", *_ACTIVATIONS, *sorted(_NOTHING)])
    return (
        f"{what} cannot be written as layers of a multilayer perceptron, which may have {known}; export it with"
        " format='onnx'"
    )


def array(tensor: Any) -> Reals:
    """Return a tensor's numbers, as a copy in its own precision; those of less than single precision in single."""
    held = tensor.detach().cpu()
    return np.array((held if str(held.dtype) in ("torch.float32", "torch.float64") else held.float()).numpy())


def onnx_of(module: Any, inputs: int, outputs: list[str]) -> bytes:
    """Return a module as an ONNX graph with one input ``observation``, dims (batch, number).

    Parameters
    ----------
    module : torch.nn.Module
        The module.
    inputs : int
        Length of observations.
    outputs : list of str
        Names of what it returns.
    """
    torch = load("torch", "ONNX export")
    load("onnxscript", "ONNX export")
    first = next(iter(module.parameters()), None)
    example = torch.zeros((2, inputs), dtype=torch.float32 if first is None else first.dtype)
    was_training = module.training
    module.eval()
    try:
        program = torch.onnx.export(
            module,
            (example,),
            input_names=["observation"],
            output_names=outputs,
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            dynamo=True,
            verbose=False,
        )
    finally:
        module.train(was_training)
    file = io.BytesIO()
    file.write(program.model_proto.SerializeToString())
    return file.getvalue()
