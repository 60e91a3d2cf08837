"""What ``compare`` and ``tournament`` have played so far: kept beside the output until that is whole."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from tokenflow_sim.cli.studies import runner
from tokenflow_sim.errors import Fault, InputError, ResultError

Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with a study of this output that was interrupted.")
]


def runs_of(out: Path) -> Path:
    """Return the hidden folder beside an output in which its finished runs are kept."""
    return out.with_name(f".{out.name}.runs")


@contextmanager
def keeping(
    out: Path | None, workers: int | None, scheduler: str | None, resume: bool, force: bool
) -> Iterator[dict[str, Any]]:
    """Give what says where runs are played and kept; the runs are removed once the output was written.

    Parameters
    ----------
    out : Path or None
        The output; without one nothing is kept.
    workers, scheduler : int or None, str or None
        Processes of this machine, or the address of a Dask cluster.
    resume, force : bool
        Whether to go on with the runs that are there, or to replace them.

    Raises
    ------
    InputError
        If the options contradict each other.
    ResultError
        If another process writes the output, or an unfinished study of it is there and neither is set.
    """
    faults = []
    if resume and force:
        faults.append(Fault("go on with a study, or replace it: give one of them", "--resume and --force"))
    if resume and out is None:
        faults.append(Fault("name the file to go on with (--out)", "--resume"))
    if faults:
        raise InputError(faults, "the command line")
    with ExitStack() as stack:
        if out is not None:
            from tokenflow_sim.ledger.lock import Lock

            stack.enter_context(Lock(out))
            if runs_of(out).exists() and not resume:
                if not force:
                    raise ResultError(
                        f"{out}: an unfinished study of it is kept in {runs_of(out)}; go on with it (--resume), or"
                        " start anew (--force)"
                    )
                shutil.rmtree(runs_of(out))
        with runner(workers or 0, scheduler, "runs") as given:
            try:
                yield given | ({} if out is None else {"store": runs_of(out)})
            except KeyboardInterrupt as error:
                if out is not None and runs_of(out).exists():
                    error.add_note("the runs that were finished are kept: go on with --resume")
                raise
        if out is not None:
            shutil.rmtree(runs_of(out), ignore_errors=True)
