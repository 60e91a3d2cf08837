"""A long run that may be killed at any moment and goes on where it stood."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import xarray as xr

from tokenflow_sim.errors import Fault, InputError
from tokenflow_sim.model import TokenMarket
from tokenflow_sim.results import Ledger, load_results
from tokenflow_sim.results.checkpoint import Checkpoint
from tokenflow_sim.results.lock import Lock

EVERY = 168
"""Periods between two checkpoints, unless stated otherwise: a week of hours."""


def run_resumable(
    model: TokenMarket,
    out: str | Path,
    *,
    every: int = EVERY,
    resume: bool = False,
    force: bool = False,
    progress: Callable[[int, int], object] | None = None,
) -> xr.Dataset:
    """Play a model to its end, keeping every so many periods what is needed to go on after a crash.

    Parameters
    ----------
    model : TokenMarket
        The model, before its first period and without an `out` of its own.
    out : str or Path
        The NetCDF file that the results become. Beside it a hidden folder holds the unfinished run.
    every : int
        Periods between two checkpoints.
    resume : bool
        Whether to resume an unfinished run of `out`. If there is none, it starts; if `out` is finished already,
        there is nothing to do.
    force : bool
        Whether to replace `out`, and an unfinished run of it.
    progress : callable, optional
        Called after each period with the number of periods played and of all, those of earlier calls among them.

    Returns
    -------
    Dataset
        The results, lazy. They are the same to the bit as those of a run that was never interrupted.

    Raises
    ------
    InputError
        If `every` is no positive number.
    ResultError
        If `out` exists, is being written by another process, cannot be written, or what is to be resumed is the
        run of other arguments.
    StrategyError, InfeasibleError, CertificateError
        As `TokenMarket.step` does. The finished periods are kept then, and a note of the exception says where: in
        ``run.partial.nc`` beside ``run.nc``, and, up to the last checkpoint, as an unfinished run that can be
        resumed.
    """
    if every < 1:
        raise InputError(
            [Fault(f"is a whole number of periods from 1 on; found {every}", "every")], "checkpoints"
        )
    with Lock(Path(out)):
        point = Checkpoint(out, model.ledger.plan, force, resume)
        if not point.finished:
            _run_periods(model, point, every, progress)
        return load_results(out)


def _run_periods(
    model: TokenMarket, point: Checkpoint, every: int, progress: Callable[[int, int], object] | None
) -> None:
    model.ledger = Ledger(model.ledger.plan, stream=point)
    try:
        if point.state is not None:
            model.set_state(point.state)
            model.ledger.go_on(point.kept)
            if progress is not None:
                progress(model.period, model.periods)
        while model.running:
            model.step()
            if model.running and model.period % every == 0:
                model.ledger.flush()
                point.commit(model.get_state())
            if progress is not None:
                progress(model.period, model.periods)
    except BaseException as error:
        # What a step raises it has noted itself; this is for a full disk, and for what `progress` raises.
        if kept := model.ledger.abort(model.periods, can_wait=not isinstance(error, Exception)):
            error.add_note(kept)
        raise
