"""Models and strategies as bytes and as copies; what cannot be is named."""

from __future__ import annotations

import copy
import importlib
import io
import pickle
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import fields, is_dataclass
from functools import partial
from types import FunctionType
from typing import Any, Literal, Self

from tokenflow_sim.errors import StrategyError, TokenflowError

_DEEPEST = 30
"""Levels of attributes and containers that are searched."""
_doing: ContextVar[Literal["", "checking", "searching"]] = ContextVar("doing", default="")
_LOCKS = (type(threading.Lock()), type(threading.RLock()), threading.Condition, threading.Event)


def culprit(thing: object, attempt: Callable[[Any], object], name: str = "") -> str:
    """Say which part of something makes an attempt to pickle or copy it fail.

    Parameters
    ----------
    thing : object
        What cannot be pickled or copied.
    attempt : callable
        What fails, e.g. ``pickle.dumps``.
    name : str
        What to call it.

    Returns
    -------
    str
        E.g. ``providers.atlas.strategy.rule is a function made on the spot (<lambda>)``.
    """
    path = name
    for _ in range(_DEEPEST):
        for key, part in _parts(thing):
            if _fails(part, attempt):
                path, thing = f"{path}{key}" if path else key.lstrip("."), part
                break
        else:
            break
    return f"{path or 'it'} is {_kind(thing)}"


def _parts(thing: object) -> Iterator[tuple[str, object]]:
    if isinstance(thing, Mapping):
        for key, part in thing.items():
            yield f".{key}" if isinstance(key, str) else f"[{key!r}]", part
    elif isinstance(thing, (list, tuple, set, frozenset)):
        for number, part in enumerate(thing):
            yield f"[{number}]", part
    elif isinstance(thing, partial):
        yield from (("", thing.func), *_parts(thing.args), *_parts(thing.keywords))
    elif is_dataclass(thing) and not isinstance(thing, type):
        yield from ((f".{field.name}", getattr(thing, field.name, None)) for field in fields(thing))
    elif not isinstance(thing, (type, FunctionType, io.IOBase)):
        for key, part in _state(thing).items():
            yield f".{key}", part


def _state(thing: object) -> Mapping[str, object]:
    """Return what pickle would write of an object's attributes."""
    try:
        found = thing.__reduce_ex__(4)[2]
    except Exception:  # whatever an object of a user's own raises; its attributes say more than that
        found = None
    if isinstance(found, tuple):  # with slots
        return {key: part for half in found if isinstance(half, Mapping) for key, part in half.items()}
    return found if isinstance(found, Mapping) else getattr(thing, "__dict__", {})


def _fails(thing: object, attempt: Callable[[Any], object]) -> bool:
    try:
        attempt(thing)
    except Exception:  # whatever an object of a user's own raises while it is pickled
        return True
    return False


def _kind(thing: object) -> str:
    if isinstance(thing, FunctionType):
        return f"a function made on the spot ({thing.__qualname__})"
    if isinstance(thing, io.IOBase):
        return f"an open file ({getattr(thing, 'name', type(thing).__name__)})"
    if isinstance(thing, _LOCKS):
        return "a lock"
    if isinstance(thing, type):
        return (
            f"a class that its module does not have under this name ({thing.__module__}.{thing.__qualname__})"
        )
    return f"an object of {type(thing).__module__}.{type(thing).__qualname__}"


class Portable:
    """A model or batch that can be pickled and copied, or says which strategy or attribute is in the way."""

    _word = "model"

    def _members(self) -> Mapping[str, object]:
        """Return what a user may have put into it, by name."""
        return {}

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Take it apart for pickle; what cannot be pickled is named before a half of it is written.

        Raises
        ------
        StrategyError
            If a strategy or an attribute cannot be pickled.
        """
        if _doing.get() == "searching":  # what only refers to the model is not what is in the way
            return str, ("the model",)
        if not _doing.get():
            token = _doing.set("checking")
            try:
                dumps = _pickler()
                dumps(self)
            except TokenflowError:
                raise
            except Exception as error:
                raise self._refusal("pickled", dumps, error) from error
            finally:
                _doing.reset(token)
        return super().__reduce_ex__(protocol)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Copy it and everything in it.

        Raises
        ------
        StrategyError
            If a strategy or an attribute cannot be copied.
        """
        if _doing.get() == "searching":
            return self
        new = type(self).__new__(type(self))
        memo[id(self)] = new
        try:
            vars(new).update(copy.deepcopy(vars(self), memo))
        except TokenflowError:
            raise
        except Exception as error:
            raise self._refusal("copied", copy.deepcopy, error) from error
        return new

    def _refusal(self, done: str, attempt: Callable[[Any], object], error: Exception) -> StrategyError:
        reason = f"{type(error).__name__}: {error}"
        token = _doing.set("searching")
        try:
            for name, part in self._members().items():
                if _fails(part, attempt):
                    reason = culprit(part, attempt, name)
                    break
        finally:
            _doing.reset(token)
        return StrategyError(
            f"this {self._word} cannot be {done}: {reason}; keep open files, locks, local functions and the like out"
            " of attributes; make them where they are used"
        )


def _pickler() -> Callable[[Any], bytes]:
    """Return what is pickling just now: cloudpickle takes more than pickle does."""
    names = (frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_stack(None))
    if any(str(name).startswith("cloudpickle") for name in names):
        dumps: Callable[[Any], bytes] = importlib.import_module("cloudpickle").dumps
        return dumps
    return pickle.dumps
