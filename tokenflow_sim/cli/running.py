"""``tokenflow run``: play a scenario, keep its results, and say in tables what came out."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tokenflow_sim.cli.console import progress, say
from tokenflow_sim.cli.options import (
    AllowCode,
    Debug,
    Force,
    Overrides,
    Periods,
    Source,
    check_suffix,
    make_folder,
    parse_overrides,
    quoted,
    refuse_existing,
)
from tokenflow_sim.errors import Fault, InfeasibleError, InputError

if TYPE_CHECKING:
    from tokenflow_sim.model import TokenMarket

EVERY = 168
"""Periods between two checkpoints: a week of hours."""


def run(
    scenario: Source,
    periods: Periods = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of all random numbers.")] = 0,
    assignments: Overrides = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Result file (NetCDF); SCENARIO.nc if left out."),
    ] = None,
    force: Force = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a run of this output that was interrupted.")
    ] = False,
    checkpoint: Annotated[
        int,
        typer.Option(
            "--checkpoint", min=0, metavar="N", help="Periods between two checkpoints of a run; 0 keeps none."
        ),
    ] = EVERY,
    allow_code: AllowCode = False,
    debug: Debug = False,
) -> None:
    """Simulate a scenario and write what happened to a NetCDF file."""
    if resume and force:
        fault = Fault("resume a run, or replace it: give one of them", "--resume and --force")
        raise InputError([fault], "the command line")
    overrides = parse_overrides(assignments)
    if periods is not None:
        if "periods" in overrides:
            raise InputError(
                [Fault("is given twice: as --periods and with --set", "periods")], "the command line"
            )
        overrides["periods"] = periods
    if out is not None:
        refuse_existing([check_suffix(out, ".nc", "results")], force or resume)

    from tokenflow_sim.scenario import load_scenario
    from tokenflow_sim.strategies.assignment import find_faults

    loaded = load_scenario(scenario, overrides, also=partial(find_faults, allow_code=allow_code))
    if out is None:
        out = Path(re.sub(r"[^\w.-]+", "_", loaded.name) + ".nc")
        refuse_existing([out], force or resume)
    make_folder(out.parent)

    from tokenflow_sim.model import TokenMarket
    from tokenflow_sim.results.checkpoint import left_unfinished
    from tokenflow_sim.results.lock import Lock

    began = time.perf_counter()
    if resume or left_unfinished(out) or 0 < checkpoint < loaded.periods:
        from tokenflow_sim.study.checkpoint import run_resumable

        model = TokenMarket(loaded, rng=seed, allow_code=allow_code)
        every = checkpoint or max(1, loaded.periods)
        with run_noting(model) as progress:
            results = run_resumable(model, out, every=every, resume=resume, force=force, progress=progress)
    else:
        with Lock(out):
            model = TokenMarket(loaded, rng=seed, out=out, force=force, allow_code=allow_code)
            run_model(model)
        results = model.results()
    took = time.perf_counter() - began

    from tokenflow_sim.cli.summary import show_summary

    with results:
        show_summary(results, loaded.name, took)
    say(f"results: {out} ({size(out)})")
    say(f"figures: tokenflow plot {quoted(out)} --out {quoted(out.with_name(f'{out.stem}_figures'))}")


def run_model(model: TokenMarket) -> None:
    """Play all periods under a progress bar.

    Raises
    ------
    InfeasibleError
        If demand that must be served cannot be; a note says in which period.
    """
    with run_noting(model) as progress:
        model.run(progress=progress)


@contextmanager
def run_noting(model: TokenMarket) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar while a model is played, and note the period where it cannot go on.

    Raises
    ------
    InfeasibleError
        If demand that must be served cannot be; a note says in which period.
    """
    with progress("running", model.periods, "periods") as advance:
        shown = 0

        def show(played: int, _: int) -> None:
            nonlocal shown
            advance(played - shown)
            shown = played

        try:
            yield show
        except InfeasibleError as error:
            error.add_note(f"  This happened in period {model.period} (the first is 0) of {model.periods}.")
            raise


def size(path: Path) -> str:
    """Return the size of a file in words."""
    bytes_ = float(path.stat().st_size)
    for unit in ("B", "kB", "MB"):
        if bytes_ < 1000:
            return f"{bytes_:.3g} {unit}"
        bytes_ /= 1000
    return f"{bytes_:.3g} GB"
