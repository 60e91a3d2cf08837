"""Checkpoints of training: everything that the next step depends on, in one file that is replaced as a whole."""

from __future__ import annotations

import os
import pickle
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tokenflow_sim.disk import hidden, remove, writing
from tokenflow_sim.errors import Fault, InputError, ResultError
from tokenflow_sim.learning.libraries import load

CHECKPOINT = "checkpoint.pkl"
"""Name of the file in a training's folder."""


def write_checkpoint(folder: Path, state: Mapping[str, Any]) -> None:
    """Replace a training's checkpoint; one that is interrupted meanwhile keeps the former.

    Parameters
    ----------
    folder : Path
        The training's folder.
    state : mapping
        What to keep; it must be possible to pickle it.

    Raises
    ------
    ResultError
        If it cannot be written.
    """
    path = folder / CHECKPOINT
    new = hidden(path, ".new")
    with writing(path, keeps=True):
        try:
            with open(new, "wb") as file:
                pickle.dump(dict(state), file, protocol=5)
                file.flush()
                os.fsync(file.fileno())
            os.replace(new, path)
        except BaseException:
            remove(new)
            raise


def read_checkpoint(folder: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Read a training's checkpoint. It is a pickle: read only what you wrote yourself.

    Parameters
    ----------
    folder : Path
        The training's folder.
    settings : mapping
        What the training was asked for now, which must be what it was begun with.

    Raises
    ------
    ResultError
        If there is none, or it is damaged.
    InputError
        If it was begun with other settings; names them all.
    """
    path = folder / CHECKPOINT
    try:
        state: dict[str, Any] = pickle.loads(path.read_bytes())
        begun = state["settings"]
    except FileNotFoundError:
        raise ResultError(
            f"{path} does not exist: there is nothing to resume; train without --resume"
        ) from None
    except OSError as error:
        raise ResultError(f"{path} cannot be read: {error.strerror or error}") from None
    except Exception as error:  # damaged pickles raise whatever they lead to
        raise ResultError(f"{path} is damaged ({type(error).__name__}: {error}); train anew") from None
    faults = [
        Fault(f"was {begun.get(name)!r:.80} when training began, is {settings.get(name)!r:.80}", name)
        for name in sorted({*begun, *settings})
        if begun.get(name) != settings.get(name)
    ]
    if faults:
        raise InputError(
            faults, f"the training in {folder}, which resumes only with the settings it began with"
        )
    return state


def unpickled(part: bytes) -> Any:
    """Return a part of a checkpoint: an environment, a buffer.

    Raises
    ------
    ResultError
        If it was written by other code of this package or of a library, whose objects have changed since.
    """
    try:
        return pickle.loads(part)
    except Exception as error:  # pickles of other code raise whatever they lead to
        raise ResultError(
            f"the checkpoint was written by other code and cannot be read back ({type(error).__name__}: {error});"
            " train anew"
        ) from None


def random_state() -> dict[str, Any]:
    """Return where the random numbers of Python, NumPy and PyTorch stand, of which libraries of training draw."""
    torch = load("torch", "training")
    return {
        "python": random.getstate(),
        "numpy": np.random.get_state(),  # noqa: NPY002 - what Stable-Baselines3 draws from
        "torch": torch.get_rng_state(),
    }


def set_random_state(state: Mapping[str, Any]) -> None:
    """Go back to what `random_state` returned."""
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])  # noqa: NPY002
    load("torch", "training").set_rng_state(state["torch"])
