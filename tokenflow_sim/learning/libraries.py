"""PyTorch and Stable-Baselines3, which no extra brings: loaded when they are needed, and named where they lack."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from tokenflow_sim.errors import Fault, InputError

_PACKAGES = {"torch": "torch", "stable_baselines3": "stable-baselines3", "onnxscript": "onnx onnxscript"}


def load(module: str, what: str) -> Any:
    """Import a module that training needs.

    Parameters
    ----------
    module : str
        Its dotted name, e.g. ``torch``.
    what : str
        What needs it, for the message, e.g. ``training``.

    Raises
    ------
    InputError
        If it is not installed; names what to install.
    """
    try:
        return import_module(module)
    except ImportError as error:
        top = module.partition(".")[0]
        package = _PACKAGES.get(top, top)
        raise InputError(
            [Fault(f"{what} needs {error.name or top}, which is not installed: pip install {package}")],
            "the installation",
        ) from None
