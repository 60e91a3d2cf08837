"""Checkpoints of training: everything that the next step depends on, in one file that is replaced as a whole.

They hold numbers, names and arrays, and what PyTorch and Stable-Baselines3 save in formats of their own, but no
object of this package: a market is kept as the seed and the actions that lead to where it stands. So other versions
read them too.
"""

from __future__ import annotations

import io
import os
import pickle
import random
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tokenflow_sim.disk import hidden, remove, writing
from tokenflow_sim.errors import Fault, InputError, ResultError
from tokenflow_sim.learning.libraries import load

CHECKPOINT = "checkpoint.pkl"
"""Name of the file in a training's folder."""
_FORMAT = 2
"""Number of the format; the first one had no number, and held objects of this package."""
_PACKAGE = str(Path(__file__).parents[1])


def write_checkpoint(folder: Path, state: Mapping[str, Any]) -> None:
    """Replace a training's checkpoint; one that is interrupted meanwhile keeps the former.

    Parameters
    ----------
    folder : Path
        The training's folder.
    state : mapping
        What to keep: numbers, text, bytes and arrays in mappings and lists.

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
                pickle.dump({"format": _FORMAT, **state}, file, protocol=5)
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
        What the training was asked for now, which must be what it was begun with. Of other ``versions`` is warned.

    Raises
    ------
    ResultError
        If there is none, it is damaged, or its format is another.
    InputError
        If it was begun with other settings; names them all.

    Warns
    -----
    UserWarning
        If other versions have written it: the training goes on, but not to the same bits.
    """
    path = folder / CHECKPOINT
    try:
        state: dict[str, Any] = pickle.loads(path.read_bytes())
        begun = state["settings"]
        versions, now = begun.get("versions", {}), settings.get("versions", {})
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
        for name in sorted({*begun, *settings} - {"versions"})
        if begun.get(name) != settings.get(name)
    ]
    if faults:
        raise InputError(
            faults, f"the training in {folder}, which resumes only with the settings it began with"
        )
    if state.get("format") != _FORMAT:
        raise ResultError(
            f"{path} is of format {state.get('format', 1)}, this version reads {_FORMAT}; train anew, or resume"
            f" with the version that wrote it ({_listed(versions)})"
        )
    if versions != now:
        warnings.warn(
            f"{path} was written with {_listed(versions)}, and goes on with {_listed(now)}: what is learnt from here"
            " on may differ from what the same versions would have learnt",
            UserWarning,
            skip_file_prefixes=(_PACKAGE,),
        )
    return state


def _listed(versions: Mapping[str, str]) -> str:
    """Return versions in words."""
    return ", ".join(f"{name} {number}" for name, number in versions.items()) or "versions it does not name"


@contextmanager
def taking_up(folder: Path) -> Iterator[None]:
    """Say in a line that what a checkpoint holds does not fit what is made of the same arguments now.

    Raises
    ------
    ResultError
        If it does not: the market sees or decides something else, or a library builds its networks otherwise.
    """
    try:
        yield
    except Exception as error:  # a library raises whatever it stumbles over
        cause = (str(error).splitlines() or [""])[0]
        raise ResultError(
            f"{folder / CHECKPOINT} was written by other code and does not fit this one"
            f" ({type(error).__name__}: {cause}); train anew"
        ) from error


def tensors_as_bytes(thing: Any) -> bytes:
    """Return containers of tensors in PyTorch's own format, which its later versions read."""
    file = io.BytesIO()
    load("torch", "training").save(thing, file)
    return file.getvalue()


def tensors_of(kept: bytes) -> Any:
    """Return what `tensors_as_bytes` was given."""
    return load("torch", "training").load(io.BytesIO(kept), weights_only=True)


def random_state() -> dict[str, Any]:
    """Return where the random numbers of Python, NumPy and PyTorch stand, of which libraries of training draw."""
    torch = load("torch", "training")
    return {
        "python": random.getstate(),
        "numpy": np.random.get_state(),  # noqa: NPY002 - what Stable-Baselines3 draws from
        "torch": torch.get_rng_state().numpy(),
    }


def set_random_state(state: Mapping[str, Any]) -> None:
    """Go back to what `random_state` returned."""
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])  # noqa: NPY002
    torch = load("torch", "training")
    torch.set_rng_state(torch.from_numpy(state["torch"]))
