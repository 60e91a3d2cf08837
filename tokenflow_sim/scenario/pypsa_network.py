"""PyPSA networks, opened by PyPSA itself."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tokenflow_sim.scenario.extra import load_extra


def is_network(value: object) -> bool:
    """Whether a value is a network of PyPSA, which need not be installed to say no."""
    return any(
        kind.__name__ == "Network" and kind.__module__.partition(".")[0] == "pypsa"
        for kind in type(value).__mro__
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Keep PyPSA's and linopy's messages to themselves: what matters is in the summary."""
    loggers = [logging.getLogger(name) for name in ("pypsa", "linopy")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def open_network(path: Path) -> Any:
    """Read a network: a folder of CSV files, or NetCDF.

    Raises
    ------
    ValueError
        If it is neither, or PyPSA refuses it; the message says why, without the path.
    ResultError
        If PyPSA is not installed.
    """
    with quiet():
        pypsa = load_extra("pypsa", "a PyPSA network")
    if path.is_dir() and not (path / "buses.csv").is_file():
        raise ValueError("is no folder of a PyPSA network: it has no buses.csv")
    if path.is_file() and path.suffix not in (".nc", ".h5"):
        raise ValueError("must be a folder of CSV files or NetCDF (.nc)")
    try:
        with quiet():
            network = pypsa.Network(path)
    except Exception as error:  # PyPSA and pandas raise anything for a file that is not as they expect
        message = f"cannot be read by PyPSA: {type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise ValueError(message) from error
    if not len(network.buses):
        raise ValueError("has no buses")
    return network
