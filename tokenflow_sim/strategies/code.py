"""What code a run was played by: digests of the source of all that is not built in."""

from __future__ import annotations

import inspect
import json
import linecache
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from hashlib import sha256
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from tokenflow_sim.strategies import loading
from tokenflow_sim.strategies.policy import Policy

UNKNOWN = "unknown"
"""What stands for the digest of code whose source cannot be had."""

# What results name by version.
_LIBRARIES = {
    "tokenflow_sim", "mesa", "numpy", "pandas", "xarray", "scipy", "linopy", "highspy", "netCDF4", "matplotlib",
}  # fmt: skip
_SCALARS = (bool, int, float, complex, str, bytes, type(None))
_known: WeakKeyDictionary[Any, dict[str, str]] = WeakKeyDictionary()
_last: dict[str, str] = {}


def fingerprint(*things: object) -> dict[str, str]:
    """Return the digests of all code of a user's own, and of all trained policies, in some objects and classes.

    Parameters
    ----------
    *things
        Strategies, their classes, agents' classes; what stands in their attributes, in lists and in dicts is looked
        into.

    Returns
    -------
    dict
        SHA-256 of the source by module, sorted; of every module that a class, one of its bases or a function
        stands in, and of the modules that these import from the same folder. A class of a notebook stands by itself,
        as ``__main__:Class``, with its methods and the functions and constants that they name. Code whose source
        cannot be had, or is not what was loaded, is ``unknown``. A trained policy stands as ``policy PATH``.
    """
    found: dict[str, str] = {}
    for thing in _reachable(things):
        if thing not in _known:
            _known[thing] = thing.fingerprint() if isinstance(thing, Policy) else _digests(thing)
        for name, digest in _known[thing].items():
            # One module in two states is in none that could be named.
            found[name] = digest if found.get(name, digest) == digest else UNKNOWN
    _last.update(found)
    return dict(sorted(found.items()))


def running_code() -> str:
    """Return the last digests of every module that this process has seen, as JSON; empty if there is none."""
    return json.dumps(_last) if _last else ""


def written(found: Mapping[str, str]) -> dict[str, str]:
    """Return the attribute of results that holds digests; none where all code is built in."""
    return {"code": json.dumps(dict(found))} if found else {}


def compare(then: object, now: object, where: str) -> str:
    """Say which code has changed; warn where that cannot be known.

    Parameters
    ----------
    then, now : str, mapping or None
        Digests, as JSON perhaps; None where all code is built in.
    where : str
        What was begun then, for the warning.

    Returns
    -------
    str
        Names and short digests of the modules that differ; empty where none does.
    """
    before, after = _read(then), _read(now)
    differing = [
        f"{name} (was {_short(before.get(name))}, is {_short(after.get(name))})"
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]
    policies = [text for text in differing if text.startswith("policy ")]
    modules = [text for text in differing if text not in policies]
    if modules:
        policies.insert(0, f"module{'s' if len(modules) > 1 else ''} {', '.join(modules)}")
    if policies:
        return ", ".join(policies)
    if unseen := [name for name, digest in after.items() if digest == UNKNOWN]:
        warnings.warn(
            f"{where}: the source of {', '.join(unseen)} cannot be had, so that nobody can tell whether it is"
            " still the same",
            UserWarning,
            stacklevel=3,
        )
    return ""


def _read(found: object) -> dict[str, str]:
    if isinstance(found, str):
        try:
            found = json.loads(found)
        except ValueError:
            return {}
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, Mapping) else {}


def _short(digest: str | None) -> str:
    return "not there" if digest is None else digest if digest == UNKNOWN else digest[:8]


def is_foreign(thing: object) -> bool:
    """Say whether a class or function comes from neither this package nor Python nor what we stand on."""
    top = str(getattr(thing, "__module__", "") or "").partition(".")[0]
    return bool(top) and top not in _LIBRARIES and top not in sys.stdlib_module_names


def _reachable(things: Iterable[object]) -> Iterator[Any]:
    """Yield the classes and functions of a user's own, and the trained policies, that things are made of."""
    waiting, seen = list(things), set[int]()
    kept = []  # or an id might be given twice
    while waiting:
        thing = waiting.pop()
        if isinstance(thing, (*_SCALARS, np.ndarray, np.generic, ModuleType)) or id(thing) in seen:
            continue
        seen.add(id(thing))
        kept.append(thing)
        if isinstance(thing, Mapping):
            waiting += thing.values()
        elif isinstance(thing, (list, tuple, set, frozenset)):
            waiting += thing
        elif isinstance(thing, partial):
            waiting += [thing.func, *thing.args, *thing.keywords.values()]
        elif isinstance(thing, Policy):
            yield thing
        elif isinstance(thing, MethodType):
            waiting += [thing.__func__, thing.__self__]
        elif isinstance(thing, type):
            yield from (cls for cls in thing.__mro__ if is_foreign(cls))
        elif isinstance(thing, FunctionType):
            if is_foreign(thing):
                yield thing
            waiting += [cell.cell_contents for cell in thing.__closure__ or () if _is_filled(cell)]
        else:
            waiting.append(type(thing))
            waiting += getattr(thing, "__dict__", {}).values()


def _is_filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True


def _digests(thing: Any) -> dict[str, str]:
    """Return the digests of the code of one class or function."""
    name, codes = str(thing.__module__), list(loading.codes_of(thing))
    module = sys.modules.get(name)
    names = _globals(thing)
    if names is None:
        names = vars(module) if module is not None and _stands_in(module, thing) else {}
    if marked := names.get(loading.MARK):
        return dict(marked)
    file = _file(codes, module)
    if file is None:
        return {f"{name}:{thing.__qualname__}": _pieces(thing, names)}
    called = name if name != "__main__" else Path(file).stem
    sources = loading.family(called, Path(file))
    text = sources.get(called)
    ordinary = name == "__main__" or module is None or loading.is_ordinary(module)
    if text is None or (ordinary and not loading.is_loaded(names, codes, text, file)):
        return {called: UNKNOWN}
    return loading.digests(sources)


def _globals(thing: Any) -> dict[str, Any] | None:
    """Return the global names that code in memory uses: of an older module, where that was reloaded since."""
    members = vars(thing).values() if isinstance(thing, type) else (thing,)
    for member in members:
        function = getattr(member, "__func__", member)
        if isinstance(function, FunctionType) and function.__module__ == thing.__module__:
            return function.__globals__
    return None


def _stands_in(module: ModuleType, thing: Any) -> bool:
    found: Any = module
    for part in thing.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is thing


def _file(codes: list[CodeType], module: ModuleType | None) -> str | None:
    """Return the file that code stands in; None where there is none, as in a notebook."""
    for found in (*(code.co_filename for code in codes), getattr(module, "__file__", None)):
        if found and found.endswith(".py") and Path(found).is_file():
            return str(found)
    return None


def _pieces(thing: Any, names: Mapping[str, Any]) -> str:
    """Return a digest of functions and constants by themselves, where no file holds them."""
    parts: list[str] = []
    waiting, seen = [thing], set[int]()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        codes = sorted(loading.codes_of(one), key=lambda code: code.co_qualname)
        if not codes and one is thing:
            return UNKNOWN
        if isinstance(one, type):
            parts += [f"{key}={value!r}" for key, value in vars(one).items() if isinstance(value, _SCALARS)]
        for code in codes:
            try:
                linecache.checkcache(code.co_filename)
                parts.append(inspect.getsource(code))
            except (OSError, TypeError):
                return UNKNOWN
            for name in sorted(loading.names_in(code)):
                value = names.get(name)
                if isinstance(value, _SCALARS) and name in names:
                    parts.append(f"{name}={value!r}")
                elif isinstance(value, FunctionType) and value.__module__ == thing.__module__:
                    waiting.append(value)
    return sha256("\0".join(sorted(parts)).encode()).hexdigest()
