"""The kinds of values that a scenario is made of: names, numbers, frozen mappings, strategy specs."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, ClassVar, NoReturn, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

# Brackets and quotes would break dotted paths, `>` would break the names of arcs, and `/` those of assets, which are
# put together from the names of provider, node and hardware.
_NAME = re.compile(r"\w[\w \-.&#()'+/]{0,63}")
_LABEL = re.compile(r"\w[\w \-.&#()'+/>:]{0,199}")
_STRATEGY = re.compile(r"[A-Za-z_]\w*(\.\w+)*(:[A-Za-z_]\w*)?")
_DECIMAL_COMMA = re.compile(r"\s*[-+]?\d+,\d+\s*")

LEAST, MOST = 1e-12, 1e12
"""Sizes of numbers: products and quotients of a few of them are far from what a float can hold."""

K = TypeVar("K")
V = TypeVar("V")


class FrozenDict(dict[K, V]):
    """A dict that refuses to change, so that a frozen scenario is frozen all the way down."""

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("a scenario is frozen; use scenario.override({path: value})")

    __setitem__ = __delitem__ = clear = pop = popitem = setdefault = update = __ior__ = _refuse

    def __hash__(self) -> int:  # type: ignore[override]
        """Hash by the pairs."""
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by way of a plain dict."""
        return type(self), (dict(self),)


class Part(BaseModel):
    """Base of all parts of a scenario: frozen, and closed to unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False)


def _as_name(value: object) -> object:
    # YAML reads a bare 7 as a number; as a name it is text.
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


BAD_NAME = "a name is at most"
"""How messages about names begin that cannot be names."""


@lru_cache(maxsize=4096)
def _check_name(value: str) -> str:
    if not _NAME.fullmatch(value) or value != value.strip():
        raise ValueError(
            f"{BAD_NAME} 64 letters, digits, inner spaces or any of _ - . & # ( ) ' + /, and starts with a"
            " letter, a digit or an underscore"
        )
    return value


def _check_label_part(value: str) -> str:
    if "/" in _check_name(value):
        raise ValueError(
            "must have no slash: labels of assets, provider/node/hardware, and file names are made of it"
        )
    return value


def _check_label(value: str) -> str:
    if not _LABEL.fullmatch(value) or value != value.strip():
        raise ValueError(
            "a label is at most 200 letters, digits, inner spaces or any of _ - . & # ( ) ' + / > :"
        )
    return value


def _as_number(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("must be a number, not true or false")
    if isinstance(value, str):
        if _DECIMAL_COMMA.fullmatch(value):
            raise ValueError(f"has a decimal comma; write {value.strip().replace(',', '.')}")
        if "_" in value:  # Python would take 1_000; nobody else does
            raise ValueError("must be a number")
    return value


def _not_huge(value: float) -> float:
    if abs(value) > MOST:
        raise ValueError(f"must be at most {MOST:g} in size, so that products stay numbers")
    return value


def _not_tiny(value: float) -> float:
    if 0 < abs(value) < LEAST:
        raise ValueError(f"must be at least {LEAST:g}, since something is divided by it")
    return value


Name = Annotated[str, BeforeValidator(_as_name), AfterValidator(_check_name)]
"""Name of a workload, an owner, a region, ...: usable in a dotted path, in quotes where it has dots."""
LabelPart = Annotated[str, BeforeValidator(_as_name), AfterValidator(_check_label_part)]
"""Name of a provider, a node or a type of hardware, which stands in the labels of assets."""
Label = Annotated[str, BeforeValidator(_as_name), AfterValidator(_check_label)]
"""Name of an arc or an asset, which may hold the names of others, e.g. ``dallas->chicago``."""
Number = Annotated[float, BeforeValidator(_as_number), AfterValidator(_not_huge)]
NonNegative = Annotated[Number, Field(ge=0)]
Positive = Annotated[Number, Field(gt=0), AfterValidator(_not_tiny)]
Divisor = Annotated[Number, Field(ge=0), AfterValidator(_not_tiny)]
"""Zero, or large enough to divide by."""
Share = Annotated[Number, Field(ge=0, le=1)]
Count = Annotated[int, BeforeValidator(_as_number), Field(ge=0)]
Freeze = AfterValidator(FrozenDict)
"""Turns a validated dict into one that cannot change."""


def _plain(value: Any) -> bool:
    """Whether a value survives YAML."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, (list, tuple)):
        return all(_plain(item) for item in value)
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _plain(item) for key, item in value.items())
    if isinstance(value, int):
        return abs(value) < 2**63
    return value is None or isinstance(value, str)


class Spec(BaseModel):
    """Something made of a class by name, with the parameters of the class beside the name."""

    model_config = ConfigDict(frozen=True, extra="allow", protected_namespaces=())
    key: ClassVar[str]
    """The field with the name."""
    said: ClassVar[str]
    """What its name must be, for messages."""

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        """Take a bare name for a class without parameters, and refuse parameters that YAML cannot hold."""
        if isinstance(value, str):
            value = {cls.key: value}
        if isinstance(value, Mapping):
            bad = [str(key) for key, item in value.items() if not isinstance(key, str) or not _plain(item)]
            if bad:
                raise ValueError(
                    f"parameters must be finite numbers, text, lists or mappings: {', '.join(bad)}"
                )
            name = value.get(cls.key)
            if isinstance(name, str) and not cls.accepts(name):
                raise ValueError(f"{name!r} is {cls.said}")
        return value

    @classmethod
    def accepts(cls, name: str) -> bool:
        """Whether a text can be a name."""
        return _STRATEGY.fullmatch(name) is not None

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters, without the name."""
        return dict(self.model_extra or {})

    def as_dict(self) -> dict[str, Any]:
        """Return name and parameters as one plain dict."""
        return {self.key: getattr(self, self.key), **self.parameters}

    def __hash__(self) -> int:
        """Hash by the text of name and parameters, which may be lists."""
        return hash(repr(sorted(self.as_dict().items(), key=lambda pair: pair[0])))


class StrategySpec(Spec):
    """An agent's strategy by name, with its parameters beside the name."""

    key = "name"
    said = "no strategy's name: use snake_case, or module:Class"

    name: str = Field(
        description="Name of the strategy: a built-in one in snake_case, or module:Class where code is"
        " allowed."
    )


class LimitSpec(Spec):
    """A constraint of a user's own by its class, with its parameters beside it."""

    key = "limit"
    said = "no limit's class: write module:Class"

    limit: str = Field(
        description="Its class, a `tf.Limit`, as module:Class; loaded only where code is allowed."
    )

    @classmethod
    def accepts(cls, name: str) -> bool:
        """Whether a text can be a name: limits have no built-in names."""
        return ":" in name and super().accepts(name)
