"""What surrounds a training: its folder, one thread, and random numbers of its own."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tokenflow_sim.disk import writing
from tokenflow_sim.errors import Fault, InputError, ResultError, unknown_name
from tokenflow_sim.learning.checkpoint import CHECKPOINT, random_state, set_random_state
from tokenflow_sim.learning.libraries import load
from tokenflow_sim.market.blas import one_thread

Progress = Callable[[int, int], object]
"""Called with the steps taken and all steps of a training."""


def prepare(out: str | Path, resume: bool, force: bool) -> Path:
    """Return a training's folder, made where it does not exist.

    Raises
    ------
    ResultError
        If a training stands there already and is neither resumed nor replaced, or the folder cannot be made.
    InputError
        If it is to be both resumed and replaced.
    """
    folder = Path(out)
    if resume and force:
        raise InputError([Fault("resume a training, or replace it: give one of them", "resume and force")])
    if (folder / CHECKPOINT).exists() and not (resume or force):
        raise ResultError(
            f"{folder} holds a training already: resume it (--resume), replace it (--force) or choose another folder"
        )
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if force:
            (folder / CHECKPOINT).unlink(missing_ok=True)
    return folder


def check_numbers(steps: int, checkpoint: int, seed: int, environments: int = 1) -> None:
    """Check the numbers that a training is asked for.

    Raises
    ------
    InputError
        With all that are out of range.
    """
    faults = [
        Fault(f"must be a whole number of at least {least}; found {value!r}", name)
        for name, value, least in (
            ("steps", steps, 1),
            ("checkpoint", checkpoint, 1),
            ("seed", seed, 0),
            ("environments", environments, 1),
        )
        if not isinstance(value, int) or isinstance(value, bool) or value < least
    ]
    if faults:
        raise InputError(faults, "training")


@contextmanager
def training() -> Iterator[None]:
    """Train on one thread, fastest for small networks and to the same bits; leave random numbers as they were."""
    torch = load("torch", "training")
    threads, state = torch.get_num_threads(), random_state()
    torch.set_num_threads(1)
    try:
        with one_thread():
            yield
    finally:
        torch.set_num_threads(threads)
        set_random_state(state)


@contextmanager
def resumable(folder: Path) -> Iterator[None]:
    """Note on whatever ends a training early that it can be resumed."""
    try:
        yield
    except BaseException as error:
        if (folder / CHECKPOINT).exists():
            error.add_note(f"what was learnt up to the last checkpoint is in {folder}: resume it (--resume)")
        raise


def made(cls: type[Any], *given: Any, **parameters: Any) -> Any:
    """Make an algorithm of Stable-Baselines3.

    Raises
    ------
    InputError
        If it knows no such parameter, or refuses a value or the environment.
    """
    known = [name for name in inspect.signature(cls).parameters if name not in ("policy", "env")]
    faults = [Fault(unknown_name("parameter", name, known)) for name in parameters if name not in known]
    if faults:
        raise InputError(faults, f"parameters of {cls.__name__}")
    try:
        return cls(*given, **parameters)
    except (AssertionError, TypeError, ValueError) as error:
        raise InputError(
            [Fault(f"{cls.__name__} refuses them: {error}")], "parameters of the training"
        ) from error


def versions() -> dict[str, str]:
    """Return the versions that the bits of a training depend on."""
    return {name: version(name) for name in ("tokenflow-sim", "torch", "stable-baselines3", "numpy")}


def written(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Return parameters as text, for comparing them."""
    return {name: repr(value) for name, value in sorted(parameters.items())}


def folder_of(name: str) -> str:
    """Return the name of an agent's folder."""
    return re.sub(r"[^\w.-]+", "_", name)
