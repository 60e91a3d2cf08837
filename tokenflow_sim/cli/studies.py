"""``tokenflow sweep``, ``sensitivity`` and ``study``: many runs, on all cores or a cluster."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tokenflow_sim.cli.console import say, show_table, significant
from tokenflow_sim.cli.guard import CHECK_FAILED
from tokenflow_sim.cli.options import (
    AllowCode,
    Confidence,
    Debug,
    Force,
    Overrides,
    Periods,
    Resume,
    Scheduler,
    Seeds,
    Source,
    Store,
    Table,
    Workers,
    check_outputs,
    parse_overrides,
    playing,
)
from tokenflow_sim.errors import Fault, InputError

if TYPE_CHECKING:
    import pandas as pd

    from tokenflow_sim.study.sensitivity import Sensitivity
    from tokenflow_sim.study.swept import Sweep
    from tokenflow_sim.study.task import Failure

ROWS = 60
"""Points that a table shows."""


class How(StrEnum):
    """How the points of a sweep come about."""

    GRID = "grid"
    LIST = "list"
    RANDOM = "random"
    LATIN = "latin"
    SOBOL = "sobol"


class Kind(StrEnum):
    """Sensitivity indices."""

    SOBOL = "sobol"
    MORRIS = "morris"


Vary = Annotated[
    list[str],
    typer.Option(
        "--vary",
        metavar="PATH=VALUES",
        help="What a path is varied over: start:stop:step with both ends, a,b,c, or uniform(low,high),"
        " loguniform(...), integers(...); may be repeated.",
    ),
]
SampleSeed = Annotated[int, typer.Option("--sample-seed", min=0, help="Seed of what is drawn.")]


def sweep(
    scenario: Source,
    vary: Vary,
    how: Annotated[How | None, typer.Option("--how", help="How the points come about.")] = None,
    samples: Annotated[int | None, typer.Option("--samples", min=1, help="Points to draw.")] = None,
    sample_seed: SampleSeed = 0,
    seeds: Seeds = 1,
    periods: Periods = None,
    assignments: Overrides = None,
    record: Annotated[
        str | None,
        typer.Option(
            "--record", metavar="NAMES", help="Variables to keep of each period, e.g. price,flow; or none."
        ),
    ] = None,
    out: Store = None,
    table: Table = None,
    workers: Workers = 1,
    scheduler: Scheduler = None,
    resume: Resume = False,
    force: Force = False,
    allow_code: AllowCode = False,
    debug: Debug = False,
) -> None:
    """Play a scenario at many values of some of its paths."""
    values = parse_vary(vary)
    overrides = parse_overrides(assignments)
    _check_outputs(out, table, force, resume)
    from tokenflow_sim.study.sweep import RECORDED
    from tokenflow_sim.study.sweep import sweep as run_sweep

    with playing(workers, scheduler) as where:
        found = run_sweep(
            scenario, values, seeds=seeds, how=how.value if how else None, samples=samples, sample_seed=sample_seed,
            periods=periods, overrides=overrides, record=RECORDED if record is None else _names(record), out=out,
            resume=resume, force=force, allow_code=allow_code, **where,
        )  # fmt: skip
    _show_sweep(found, out, table)


def sensitivity(
    scenario: Source,
    vary: Vary,
    kind: Annotated[
        Kind, typer.Option("--kind", help="Sobol's variance shares, or Morris' screening.")
    ] = Kind.SOBOL,
    samples: Annotated[
        int, typer.Option("--samples", min=2, help="Base samples, a power of two for sobol; or trajectories.")
    ] = 64,
    outputs: Annotated[
        str | None,
        typer.Option("--outputs", metavar="NAMES", help="Measures to explain, e.g. mean_price,lerner."),
    ] = None,
    confidence: Confidence = 0.95,
    sample_seed: SampleSeed = 0,
    seeds: Seeds = 1,
    periods: Periods = None,
    assignments: Overrides = None,
    out: Store = None,
    table: Table = None,
    workers: Workers = 1,
    scheduler: Scheduler = None,
    resume: Resume = False,
    force: Force = False,
    allow_code: AllowCode = False,
    debug: Debug = False,
) -> None:
    """Say on which values of a scenario its results depend most."""
    values = parse_vary(vary)
    overrides = parse_overrides(assignments)
    _check_outputs(out, table, force, resume)
    from tokenflow_sim.study.sensitivity import OUTPUTS
    from tokenflow_sim.study.sensitivity import sensitivity as run_sensitivity

    with playing(workers, scheduler) as where:
        found = run_sensitivity(
            scenario, values, kind=kind.value, samples=samples, confidence=confidence, sample_seed=sample_seed,
            outputs=OUTPUTS if outputs is None else _names(outputs), seeds=seeds, periods=periods,
            overrides=overrides, out=out, resume=resume, force=force, allow_code=allow_code, **where,
        )  # fmt: skip
    _show_sensitivity(found, out, table)


def study(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A study file (YAML).")],
    out: Store = None,
    table: Table = None,
    workers: Workers = 1,
    scheduler: Scheduler = None,
    resume: Resume = False,
    force: Force = False,
    allow_code: AllowCode = False,
    debug: Debug = False,
) -> None:
    """Play the study that a file describes."""
    _check_outputs(out, table, force, resume)
    from tokenflow_sim.study.file import load_study, play_study
    from tokenflow_sim.study.swept import Sweep

    study = load_study(file)
    with playing(workers, scheduler) as where:
        found = play_study(study, out=out, resume=resume, force=force, allow_code=allow_code, **where)
    if isinstance(found, Sweep):
        _show_sweep(found, out, table)
    else:
        _show_sensitivity(found, out, table)


def parse_vary(given: Sequence[str]) -> dict[str, str]:
    """Split ``path=values`` pairs.

    Raises
    ------
    InputError
        If pairs lack a path or values, or a path is given twice; all are listed.
    """
    faults: list[Fault] = []
    values: dict[str, str] = {}
    for text in given:
        path, equals, value = (part.strip() for part in text.partition("="))
        if not (equals and path and value):
            faults.append(
                Fault("give a path and its values, e.g. --vary demand.scale=1:45:1", f"--vary {text}")
            )
        elif path in values:
            faults.append(Fault("this path is varied more than once", f"--vary {text}"))
        values[path] = value
    if faults:
        raise InputError(faults, "the command line")
    return values


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    return [] if names == ["none"] else names


def _check_outputs(out: Path | None, table: Path | None, force: bool, resume: bool) -> None:
    check_outputs(out, ".zarr", {} if table is None else {table: ".csv"}, force, resume)


def _show_sweep(found: Sweep, out: Path | None, table: Path | None) -> None:
    """Show means over seeds at each point, what failed, and where the runs are.

    Raises
    ------
    typer.Exit
        With status 1 where runs failed otherwise than by being infeasible.
    """
    from tokenflow_sim.study.common import common_of

    frame = found.table
    _write(frame, table)
    keys = [*found.paths]
    shown = [
        name for name in frame.columns if name.startswith(("mean_price", "unserved_share", "welfare_rate"))
    ]
    common = common_of(found.dataset[["status"]])
    note = "" if common is None else common.note
    if common is not None:
        frame.loc[~common.runs.values.ravel(), shown] = float("nan")
    groups = frame.groupby(keys, sort=False, dropna=False)
    means = groups[shown].mean()
    ended = groups["status"].agg(_ended)
    rows = [
        [
            *map(_cell, key if isinstance(key, tuple) else (key,)),
            ended[key],
            *(significant(value) for value in row),
        ]
        for key, row in zip(means.index, means.to_numpy(), strict=True)
    ]
    heads = [*keys, "runs", *(_head(name) for name in shown)]
    show_table(f"Means over seeds{f' ({note})' if note else ''}", heads, rows[:ROWS], words=len(keys) + 1)
    if len(rows) > ROWS:
        say(f"... and {len(rows) - ROWS} more points")
    _show_failures(found.failures, int((frame["status"] == "done").sum()))
    _show_places(out, table)
    if any(failure.kind != "InfeasibleError" for failure in found.failures):
        raise typer.Exit(CHECK_FAILED)


def _show_sensitivity(found: Sensitivity, out: Path | None, table: Path | None) -> None:
    frame = found.table
    _write(frame, table)
    words = {
        "first_order": "first\norder", "first_order_conf": "+-", "total": "total", "total_conf": "+-",
        "mu_star": "mean\nsize", "mu_star_conf": "+-", "mu": "mean", "sigma": "standard\ndeviation",
    }  # fmt: skip
    names = [name for name in frame.columns if name in words]
    rows = [
        [str(row["output"]), str(row["parameter"]), *(significant(float(row[name]), 3) for name in names)]
        for _, row in frame.iterrows()
    ]
    title = "Sobol indices" if found.kind == "sobol" else "Elementary effects (Morris)"
    percent = f"{100 * found.dataset.attrs['confidence']:g} %"
    show_table(
        f"{title}; +- is the half-width at {percent}", ["output", "path", *(words[name] for name in names)], rows,
        words=2,
    )  # fmt: skip
    _show_places(out, table)


def _ended(statuses: pd.Series[str]) -> str:
    """Return how the runs of a point ended, e.g. ``20 done`` or ``18 done, 2 infeasible``."""
    counts: Mapping[Any, int] = statuses.value_counts(sort=False).to_dict()
    return ", ".join(f"{count} {status}" for status, count in counts.items())


def _cell(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _head(name: str) -> str:
    from tokenflow_sim.variables import MEASURES

    measure, _, label = name.partition("[")
    words = {"mean_price": "price", "unserved_share": "unserved", "welfare_rate": "welfare"}[measure]
    return "\n".join([words, *([label.rstrip("]")] if label else []), f"[{MEASURES[measure].unit}]"])


def _write(frame: pd.DataFrame, table: Path | None) -> None:
    if table is not None:
        from tokenflow_sim.results.files import whole_file

        with whole_file(table, force=True) as draft:
            frame.to_csv(draft, index=False)


def _show_failures(failures: Sequence[Failure], finished: int) -> None:
    if failures:
        from tokenflow_sim.study.runner import failures_text

        say(failures_text(failures, finished + len(failures)), sys.stderr)


def _show_places(out: Path | None, table: Path | None) -> None:
    if table is not None:
        say(f"table: {table}")
    if out is not None:
        say(f"runs: {out} (tokenflow_sim.load_sweep)")
