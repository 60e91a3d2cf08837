"""Strategies by name: found in this package's modules, or as ``module:Class`` where code is allowed.

Nothing is registered by hand. A class is found under its own name in snake_case in whatever module of
`tokenflow_sim.strategies` it stands; to add one, add a file.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import ConfigDict, PydanticUserError, TypeAdapter, ValidationError

from tokenflow_sim import strategies
from tokenflow_sim.errors import Fault, StrategyError, unknown_name
from tokenflow_sim.market import Limit
from tokenflow_sim.market.own_limit import snake_case
from tokenflow_sim.scenario.places import say
from tokenflow_sim.strategies.base import BaseStrategy, Kind, Strategy, parameters
from tokenflow_sim.strategies.demand import DemandStrategy
from tokenflow_sim.strategies.loading import load
from tokenflow_sim.strategies.network import NetworkStrategy

BASES: dict[Kind, type[BaseStrategy]] = {
    "provider": Strategy,
    "owner": NetworkStrategy,
    "region": DemandStrategy,
}
"""The class that every strategy of a kind of agent derives from."""


def names(kind: Kind) -> list[str]:
    """Return the names of the built-in strategies of a kind of agent, sorted.

    Parameters
    ----------
    kind : {'provider', 'owner', 'region'}
        Whose strategies.
    """
    return sorted(_built_in(kind))


def find(kind: Kind, name: str, *, allow_code: bool = False) -> type[BaseStrategy]:
    """Return the class of a strategy.

    Parameters
    ----------
    kind : {'provider', 'owner', 'region'}
        Whose strategy it is.
    name : str
        Its name in snake_case, or ``module:Class`` for one that stands anywhere on Python's path or in the
        working directory; a module whose file has changed since is reloaded.
    allow_code : bool
        Whether ``module:Class`` may be imported, which runs that module.

    Raises
    ------
    StrategyError
        If there is none of that name, or it is of another kind, or code is not allowed.
    """
    if ":" in name:
        cls = code_of(name, BASES[kind], allow_code=allow_code)
    else:
        built_in = _built_in(kind)
        if name not in built_in:
            raise StrategyError(_unknown(kind, name))
        cls = built_in[name]
    if not (inspect.isclass(cls) and issubclass(cls, BASES[kind])):
        raise StrategyError(
            f"{name!r} is no strategy of a{'n' if kind == 'owner' else ''} {kind}: it must derive from"
            f" {BASES[kind].__name__}"
        )
    if inspect.isabstract(cls):
        missing = ", ".join(sorted(cls.__abstractmethods__))
        raise StrategyError(f"{name!r} lacks the method {missing}")
    return cls


def make(
    kind: Kind, spec: Mapping[str, Any] | str, *, allow_code: bool = False, place: str = ""
) -> BaseStrategy:
    """Make a strategy from its name and parameters.

    Parameters
    ----------
    kind : {'provider', 'owner', 'region'}
        Whose strategy it is.
    spec : mapping or str
        ``{"name": ..., parameter: value, ...}``, or the name alone. Values are checked against the annotations
        of the strategy's ``__init__`` and converted where nothing is lost, e.g. ``"0.1"`` to a number.
    allow_code : bool
        Whether ``module:Class`` may be imported.
    place : str
        Where the spec stands, for messages, e.g. ``providers.atlas.strategy``.

    Raises
    ------
    StrategyError
        With all faults of the spec: no such strategy, unknown or missing parameters, values that do not fit.
    """
    made, faults = attempt(kind, spec, allow_code=allow_code, place=place)
    if made is None:
        raise StrategyError("\n".join(str(fault) for fault in faults))
    return made


def attempt(
    kind: Kind, spec: Mapping[str, Any] | str, *, allow_code: bool = False, place: str = ""
) -> tuple[BaseStrategy | None, list[Fault]]:
    """Make a strategy, or report all that is wrong with its spec: what `make` does, without raising.

    Returns
    -------
    strategy : BaseStrategy or None
        None where there are faults.
    faults : list of Fault
        Their places start with `place`.
    """
    given = {"name": spec} if isinstance(spec, str) else dict(spec)
    name = given.pop("name", None)
    dot = "." if place else ""
    if not isinstance(name, str):
        return None, [Fault(f"must be a strategy's name; found {name!r}", f"{place}{dot}name")]
    try:
        cls = find(kind, name, allow_code=allow_code)
    except StrategyError as error:
        return None, [Fault(str(error), f"{place}{dot}name")]
    values, faults = read_parameters(cls, f"strategy {name!r}", given)
    if not faults:
        try:
            return cls(**values), []
        except (TypeError, ValueError, StrategyError) as error:
            return None, [Fault(f"strategy {name!r}: {error}", place)]
    return None, [Fault(fault.message, f"{place}{dot}{fault.place}") for fault in faults]


def spec_of(strategy: BaseStrategy) -> dict[str, Any]:
    """Return the name and parameters that would make this strategy again.

    Raises
    ------
    StrategyError
        If a parameter is not kept as an attribute of its name.
    """
    cls = type(strategy)
    name = snake_case(cls.__name__)
    if _built_in(cls.kind).get(name) is not cls:
        name = f"{cls.__module__}:{cls.__qualname__}"
    lost = [key for key in parameters(cls) if not hasattr(strategy, key)]
    if lost:
        raise StrategyError(
            f"strategy {name!r} does not keep its parameters as attributes: {', '.join(lost)}"
        )
    return {"name": name, **{key: getattr(strategy, key) for key in parameters(cls)}}


@cache
def _built_in(kind: Kind) -> dict[str, type[BaseStrategy]]:
    found: dict[str, type[BaseStrategy]] = {}
    for info in pkgutil.iter_modules(strategies.__path__, f"{strategies.__name__}."):
        module = importlib.import_module(info.name)
        for cls in vars(module).values():
            if not (inspect.isclass(cls) and issubclass(cls, BASES[kind]) and cls.__module__ == info.name):
                continue
            if inspect.isabstract(cls) or cls.__name__.startswith("_"):
                continue
            name = snake_case(cls.__name__)
            if name in found:
                places = f"{found[name].__module__} and {cls.__module__}"
                raise StrategyError(f"two strategies are called {name!r}: in {places}")
            found[name] = cls
    return found


def _unknown(kind: Kind, name: str) -> str:
    text = unknown_name(f"{kind} strategy", name, names(kind))
    elsewhere = [other for other in BASES if other != kind and name in _built_in(other)]
    return text + (f"; {name!r} is a strategy of {elsewhere[0]}s" if elsewhere else "")


def code_of(name: str, base: type = BaseStrategy, *, allow_code: bool = True) -> Any:
    """Return what ``module:Class`` names, of whatever kind; its module is imported.

    Parameters
    ----------
    name : str
        The name.
    base : type
        What it should derive from: `BaseStrategy` or `Limit`, for messages.
    allow_code : bool
        Whether it may be imported.

    Raises
    ------
    StrategyError
        If there is none, or code is not allowed.
    """
    what = "limit" if base is Limit else "strategy"
    if not allow_code:
        raise StrategyError(
            f"{what} {name!r} is code outside the package, and a scenario runs no code unless you allow it:"
            " --allow-code on the command line, allow_code=True in Python"
        )
    module_name, _, class_name = name.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        # Appended, so that a file here never hides an installed module; kept, so that worker processes and
        # unpickling find the module again.
        sys.path.append(here)
    try:
        module = load(module_name)
    except ModuleNotFoundError as error:
        raise StrategyError(
            f"cannot import {error.name!r} for {what} {name!r}; searched {here} too"
        ) from error
    try:
        found: Any = module
        for part in class_name.split("."):
            found = getattr(found, part)
    except AttributeError:
        options = [
            key
            for key, value in vars(module).items()
            if inspect.isclass(value) and issubclass(value, base) and value.__module__ == module.__name__
        ]
        raise StrategyError(f"module {module_name!r}: {unknown_name(what, class_name, options)}") from None
    return found


def read_parameters(
    cls: type[Any], what: str, given: Mapping[str, Any]
) -> tuple[dict[str, Any], list[Fault]]:
    """Check parameters against the signature of a class's ``__init__``; return them converted, and the faults.

    Parameters
    ----------
    cls : type
        The class of a strategy or limit.
    what : str
        What messages call it.
    given : mapping
        The parameters.
    """
    own = parameters(cls)
    faults = [
        Fault(f"{what}: {unknown_name('parameter', key, list(own))}", str(key))
        for key in given
        if key not in own
    ]
    faults += [
        Fault(f"{what} needs this parameter", key)
        for key, parameter in own.items()
        if parameter.default is parameter.empty and key not in given
    ]
    try:
        hints = get_type_hints(cls.__init__, include_extras=True) if own else {}
    except NameError as error:
        return {}, [*faults, Fault(f"{what}: an annotation cannot be read: {error}", "name")]
    values: dict[str, Any] = {}
    for key, value in given.items():
        if key not in own:
            continue
        hint = hints.get(key, Any)
        try:
            if isinstance(value, bool) and hint in (int, float):
                # Python would take true for 1, nobody who wrote it meant that.
                raise ValueError("must be a number")
            values[key] = _adapter(hint).validate_python(value)
        except ValidationError as error:
            said = "; ".join(dict.fromkeys(say(one) for one in error.errors(include_url=False)))
            faults.append(Fault(f"{what}: {said}", key))
        except ValueError as error:
            faults.append(Fault(f"{what}: {error}; found {value!r}", key))
    return values, faults


def _adapter(hint: Any) -> TypeAdapter[Any]:
    """Make the validator of an annotation; whatever pydantic knows nothing about is taken as it comes."""
    try:
        return TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True, allow_inf_nan=False))
    except PydanticUserError:
        return TypeAdapter(Any)
