"""Parameters of strategies that are one number for all classes, or a number by class."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from tokenflow_sim.errors import StrategyError, unknown_name
from tokenflow_sim.numeric import Floats

ByClass = float | dict[str, float]
"""A parameter: one number for all classes, or a number by class."""


def check_numbers(name: str, given: ByClass | None, least: float, most: float = math.inf) -> None:
    """Check a parameter that may be given by class.

    Parameters
    ----------
    name : str
        The parameter.
    given : float, dict or None
        Its value; None passes.
    least, most : float
        What each number must lie between, these included.

    Raises
    ------
    ValueError
        If a number is not finite or outside.
    """
    values = given if isinstance(given, Mapping) else {} if given is None else {"": given}
    for key, value in values.items():
        if not (math.isfinite(value) and least <= value <= most):
            place = f"{name}[{key!r}]" if key else name
            span = f"of at least {least:g}" if math.isinf(most) else f"between {least:g} and {most:g}"
            if math.isinf(least):
                span = f"of at most {most:g}"
            raise ValueError(f"{place} must be a finite number {span}; found {value!r}")


def by_class(name: str, given: ByClass, workloads: Sequence[str], default: float) -> Floats:
    """Return a parameter as an array with an entry a class.

    Parameters
    ----------
    name : str
        The parameter, for messages.
    given : float or dict
        Its value.
    workloads : sequence of str
        The classes.
    default : float
        The value of a class that a dict leaves out.

    Returns
    -------
    ndarray
        Dims (workload,).

    Raises
    ------
    StrategyError
        If a dict names a class that the scenario does not have.
    """
    if not isinstance(given, Mapping):
        return np.full(len(workloads), float(given))
    strange = [key for key in given if key not in workloads]
    if strange:
        raise StrategyError(
            "; ".join(f"{name}: {unknown_name('workload', key, workloads)}" for key in strange)
        )
    return np.array([float(given.get(label, default)) for label in workloads])
