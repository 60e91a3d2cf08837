"""Libraries of the extra `data`, loaded when something needs them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from tokenflow_sim.errors import ResultError


def load_extra(module: str, what: str) -> Any:
    """Import a module of the extra `data`.

    Parameters
    ----------
    module : str
        Its dotted name, e.g. ``pyarrow.csv``.
    what : str
        What needs it, for the message, e.g. ``a trace``.

    Raises
    ------
    ResultError
        If it is not installed; names the extra.
    """
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise ResultError(f'{what} needs {package}: pip install "tokenflow-sim[data]"') from error
