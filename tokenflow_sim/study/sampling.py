"""How the values of one path are given: a range, a list, or a distribution to draw from."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

import numpy as np
import yaml
from scipy.stats import qmc

from tokenflow_sim.errors import Fault, InputError, unknown_name
from tokenflow_sim.numeric import Floats
from tokenflow_sim.scenario import yaml_text
from tokenflow_sim.scenario.known_types import UnknownType, plain
from tokenflow_sim.scenario.series import Series
from tokenflow_sim.scenario.sheet import is_table, table_label
from tokenflow_sim.strategies.base import BaseStrategy
from tokenflow_sim.study.arguments import label_of as strategy_label
from tokenflow_sim.study.arguments import without_defaults

Method = Literal["random", "latin", "sobol"]
METHODS: tuple[str, ...] = ("random", "latin", "sobol")
KINDS = ("uniform", "loguniform", "integers")

_CALL = re.compile(r"\s*([a-z]+)\s*\(([^()]*)\)\s*")
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_RANGE = re.compile(rf"\s*({_NUMBER})\s*:\s*({_NUMBER})\s*(?::\s*({_NUMBER})\s*)?")
_MOST = 1_000_000


@dataclass(frozen=True, slots=True)
class Distribution:
    """A distribution to draw the values of a path from.

    Parameters
    ----------
    kind : {'uniform', 'loguniform', 'integers'}
        Equally likely numbers, numbers whose logarithms are, or whole numbers.
    low, high : float
        The ends; of `integers` both can be drawn.
    """

    kind: str
    low: float
    high: float

    def at(self, quantile: Floats) -> list[float] | list[int]:
        """Return the values at some quantiles, each in [0, 1)."""
        low, high = self.low, self.high
        if self.kind == "integers":
            drawn = np.floor(low + quantile * (high - low + 1)).astype(int)
            return [int(value) for value in np.minimum(drawn, int(high))]
        if self.kind == "loguniform":
            logs = math.log(low) + quantile * (math.log(high) - math.log(low))
            return [float(value) for value in np.clip(np.exp(logs), low, high)]
        return [float(value) for value in low + quantile * (high - low)]

    def __str__(self) -> str:
        """Write it as it is given."""
        return f"{self.kind}({self.low:g}, {self.high:g})"


def uniform(low: float, high: float) -> Distribution:
    """Draw equally likely numbers between two ends."""
    return _checked("uniform", low, high)


def loguniform(low: float, high: float) -> Distribution:
    """Draw numbers whose logarithms are equally likely, between two positive ends."""
    return _checked("loguniform", low, high)


def integers(low: int, high: int) -> Distribution:
    """Draw equally likely whole numbers, both ends among them."""
    return _checked("integers", low, high)


def _checked(kind: str, low: float, high: float) -> Distribution:
    problem = ""
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        problem = "the first end must be below the second, and both finite"
    elif kind == "loguniform" and low <= 0:
        problem = "both ends must be positive"
    elif kind == "integers" and not (float(low).is_integer() and float(high).is_integer()):
        problem = "both ends must be whole numbers"
    if problem:
        raise InputError([Fault(f"{problem}; found {low:g} and {high:g}", kind)], "distribution")
    return Distribution(kind, low, high)


Values = Distribution | str | Iterable[Any]
"""What a path may be varied over: a list, a distribution, or either as text."""


def read_values(values: Values) -> Distribution | list[Any]:
    """Read what a path is varied over.

    Parameters
    ----------
    values : iterable, Distribution or str
        A list, which may hold strategies' classes and objects; a distribution; or text: ``start:stop:step`` with both
        ends, ``a,b,c`` of YAML values, or ``uniform(low, high)``, ``loguniform(low, high)``, ``integers(low, high)``.

    Returns
    -------
    Distribution or list
        A distribution, or a list of different values.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    if isinstance(values, Distribution):
        return values
    if isinstance(values, str):
        found = _read_text(values)
        if isinstance(found, Distribution):
            return found
    elif isinstance(values, (Mapping, Set)) or type(values).__name__ == "DataFrame":
        # Going through them would give keys, labels of columns, or no order.
        hint = "; for it as the only value, write [frame]" if is_table(values) else ""
        raise _fault(f"give a list of values; found a {type(values).__name__}{hint}", type(values).__name__)
    else:
        try:
            found = list(values)
        except TypeError:
            found = [values]
    found = [_made(value, type(values).__name__) for value in found]
    if not found:
        raise _fault("there is no value", str(values))
    labels = [label_of(value) for value in found]
    if len(set(labels)) < len(labels):
        twice = next(label for label in labels if labels.count(label) > 1)
        raise _fault(f"the value {twice!r} is given more than once", str(values))
    return found


def _made(value: Any, place: str) -> Any:
    """Return what YAML could hold, a strategy's class or object, or the object for a class with its parameters."""
    if is_strategy(value):
        if faults := without_defaults(value, place):
            raise InputError(faults, "values to vary")
        return value
    if isinstance(value, Mapping) and is_strategy(value.get("name")) and inspect.isclass(value["name"]):
        parameters = {key: one for key, one in value.items() if key != "name"}
        try:
            return value["name"](**parameters)
        except (TypeError, ValueError) as error:
            raise _fault(f"strategy {value['name'].__name__}: {error}", place) from None
    if is_table(value):
        return value
    try:
        return plain(value)
    except UnknownType as error:
        raise _fault(f"one of the values {error}", place) from None


def is_strategy(value: Any) -> bool:
    """Say whether a value is a strategy's class or object."""
    return isinstance(value, BaseStrategy) or (inspect.isclass(value) and issubclass(value, BaseStrategy))


def _read_text(text: str) -> Distribution | list[Any]:
    if call := _CALL.fullmatch(text):
        kind, inside = call.groups()
        if kind not in KINDS:
            raise _fault(unknown_name("distribution", kind, KINDS), text)
        ends = [part.strip() for part in inside.split(",")]
        if len(ends) != 2 or not all(re.fullmatch(_NUMBER, end) for end in ends):
            raise _fault(f"give two numbers, e.g. {kind}(1, 3)", text)
        return _checked(kind, float(ends[0]), float(ends[1]))
    if parts := _RANGE.fullmatch(text):
        return _range(text, *parts.groups())
    try:
        found = yaml_text.read(f"[{text}]").data
    except yaml_text.YamlFault:
        raise _fault("is no list of YAML values, range or distribution", text) from None
    return list(found)


def _range(text: str, start: str, stop: str, step: str | None) -> list[Any]:
    """Return a range with both ends, in decimal arithmetic, so that 0:1:0.1 is what it says."""
    try:
        first, last, stride = Decimal(start), Decimal(stop), Decimal(step or "1")
    except InvalidOperation:  # pragma: no cover - the pattern admits numbers only
        raise _fault("is no range", text) from None
    if stride == 0 or (last - first) * stride < 0:
        raise _fault("the step does not lead from the start to the stop", text)
    count = int((last - first) / stride) + 1
    if count > _MOST:
        raise _fault(f"has {count:,} values, more than {_MOST:,}", text)
    values = [first + number * stride for number in range(count)]
    whole = all(value == value.to_integral_value() for value in (first, stride))
    return [int(value) if whole else float(value) for value in values]


def label_of(value: Any) -> Any:
    """Return the label of a value along its dim: a number, a truth value or text; YAML for all else.

    The label of a strategy's class or object is its name, with the parameters that were given; that of a DataFrame or
    another table its ``attrs["name"]`` or name, and otherwise a digest of what it holds.
    """
    if isinstance(value, (bool, int, float, str)):
        return value
    if is_strategy(value):
        return strategy_label(value)
    if isinstance(value, Series):
        return value.label
    if is_table(value):
        return table_label(value)
    return (
        yaml.safe_dump(value, default_flow_style=True, width=10**6, sort_keys=False)
        .strip()
        .removesuffix("\n...")
    )


def draw(
    distributions: Sequence[Distribution], count: int, method: Method, seed: int
) -> list[list[float] | list[int]]:
    """Draw points, one list of values a distribution.

    Parameters
    ----------
    distributions : sequence of Distribution
        One a path.
    count : int
        How many points; a power of two for Sobol's sequence, whose balance is lost otherwise.
    method : {'random', 'latin', 'sobol'}
        Independent points; a Latin hypercube; or a scrambled Sobol sequence.
    seed : int
        Seed of the draw.

    Raises
    ------
    InputError
        If the method is unknown or the count does not fit it.

    References
    ----------
    A. B. Owen, "Scrambled net variance for integrals of smooth functions", Annals of Statistics 25, 1997.
    """
    if method not in METHODS:
        raise _fault(unknown_name("method", method, METHODS), "method")
    if count < 1 or (method == "sobol" and count & (count - 1)):
        below = 1 << max(0, count.bit_length() - 1)
        more = f"; Sobol's sequence wants a power of two, e.g. {below} or {2 * below}" if count > 0 else ""
        raise _fault(f"cannot draw {count} points{more}", "samples")
    size, rng = len(distributions), np.random.default_rng(seed)
    if method == "sobol":
        unit = qmc.Sobol(size, scramble=True, rng=rng).random(count)
    elif method == "latin":
        unit = qmc.LatinHypercube(size, rng=rng).random(count)
    else:
        unit = rng.random((count, size))
    return [distribution.at(unit[:, number]) for number, distribution in enumerate(distributions)]


def _fault(message: str, place: str) -> InputError:
    return InputError([Fault(message, place)], "values to vary")
