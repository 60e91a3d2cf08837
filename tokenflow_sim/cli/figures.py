"""``tokenflow plot`` and ``report``: figures and the page of a file of results."""

from __future__ import annotations

from enum import StrEnum
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tokenflow_sim.cli.console import busy, progress, say
from tokenflow_sim.cli.options import Debug, Force, check_suffix, make_folder, refuse_existing
from tokenflow_sim.errors import ResultError, unknown_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from xarray import Dataset


class Format(StrEnum):
    """File formats of figures."""

    PNG = "png"
    PDF = "pdf"
    SVG = "svg"


# A date in the file would make two drawings of one result differ.
_TIMELESS = {Format.PNG: {}, Format.PDF: {"CreationDate": None}, Format.SVG: {"Date": None}}


def plot(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The result file of a run.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="Folder of the figures; RUN_figures if left out."),
    ] = None,
    format: Annotated[Format, typer.Option("--format", help="File format.")] = Format.PNG,
    only: Annotated[
        str | None,
        typer.Option(
            "--only", metavar="NAMES", help="Figures to draw, e.g. prices,settlements; all if left out."
        ),
    ] = None,
    animate: Annotated[
        bool, typer.Option("--animate", help="Also write a film of the run on the map: run.gif.")
    ] = False,
    periods: Annotated[
        str | None,
        typer.Option(
            "--periods",
            metavar="FIRST:LAST",
            help="Draw these periods only, e.g. 24:47, or by date 2026-01-05:2026-01-06,"
            " 2026-01-05T12:00/2026-01-06T18:00.",
        ),
    ] = None,
    force: Force = False,
    debug: Debug = False,
) -> None:
    """Draw every figure that the results of a run allow: prices, settlements, dispatch, a map, and more."""
    from tokenflow_sim.results import load_results

    folder = out if out is not None else run.with_name(f"{run.stem}_figures")
    with load_results(run) as whole:
        results = whole if periods is None else whole.isel(period=_chosen(whole, periods))
        import matplotlib as mpl

        mpl.use("Agg")  # figures go to files, on machines without a screen too
        from tokenflow_sim.plot import animate as write_film
        from tokenflow_sim.plot import figures

        fitting = figures(results)
        if not fitting:
            raise ResultError(f"{run} has nothing to draw: no figure finds the variables that it needs")
        names = list(fitting) if only is None else _named(only, list(fitting), results)
        files = {folder / f"{name}.{format}": fitting[name] for name in names}
        films = [folder / "run.gif"] if animate else []
        refuse_existing([*files, *films], force)
        make_folder(folder)
        with progress("drawing", len(files) + len(films), "figures") as advance:
            for path, draw in files.items():
                save_figure(draw(results), path, format)
                advance()
            for path in films:
                write_film(results, path)
                advance()
    for path in [*files, *films]:
        say(str(path))


def _named(only: str, fitting: list[str], results: Dataset) -> list[str]:
    """Read the names of figures.

    Raises
    ------
    ResultError
        If there is no figure of a name, or the results do not allow it; all such names are reported.
    """
    from tokenflow_sim.plot.registry import entries
    from tokenflow_sim.results.reading import missing

    names = list(dict.fromkeys(name.strip() for name in only.split(",")))
    faults = []
    for name in names:
        if name in fitting:
            continue
        entry = entries().get(name)
        if entry is None:
            faults.append(unknown_name("figure", name, fitting))
        elif lacking := missing(results, entry.needs):
            faults.append(f"{name} needs {', '.join(lacking)}, which these results lack")
        else:
            faults.append(f"{name} needs more than the results of one run: call tokenflow_sim.plot.{name}")
    if faults:
        raise ResultError(f"--only {only}: {'; '.join(faults)}")
    return names


def _chosen(results: Dataset, periods: str) -> list[int]:
    """Read FIRST:LAST, both included, as positions; dates with a time of day are parted by a slash, as ISO 8601 does.

    Raises
    ------
    ResultError
        If that is no range, or no period of the results lies in it.
    """
    from tokenflow_sim.results.dates import positions_within, when

    known = results["period"].values.reshape(-1)
    parts = [part.strip() for part in periods.split("/" if "/" in periods else ":")]
    if len(parts) != 2:
        raise ResultError(
            f"--periods takes FIRST:LAST, e.g. {known[0]}:{known[-1]}, and dates with a time of day as"
            f" 2026-01-05T12:00/2026-01-06T18:00; found {periods!r}"
        )
    chosen = positions_within(results, parts[0] or None, parts[1] or None, f"--periods {periods}")
    if not chosen:
        span = f"{when(results, 0)} to {when(results, -1)}".replace("period ", "")
        raise ResultError(f"--periods {periods}: no such periods; the run has {span}")
    return chosen


def save_figure(figure: Figure, path: Path, format: Format) -> None:
    """Write a figure, whole or not at all, without the time of day in it.

    Parameters
    ----------
    figure : Figure
        What to write.
    path : Path
        Where; a file there is replaced.
    format : Format
        In which format.

    Raises
    ------
    ResultError
        If the file cannot be written.
    """
    from tokenflow_sim.results.files import whole_file

    drawn = BytesIO()
    figure.savefig(drawn, format=format, metadata=_TIMELESS[format])
    with whole_file(path, force=True) as draft:
        draft.write_bytes(drawn.getvalue())


def report(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="Results of a run, a comparison or a sweep (.nc or .zarr).")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="The page; RUN.html if left out.")
    ] = None,
    force: Force = False,
    debug: Debug = False,
) -> None:
    """Write one HTML page with tables, figures, settlements and warnings, which needs no network."""
    page = check_suffix(out if out is not None else run.with_suffix(".html"), ".html", "the report")
    refuse_existing([page], force)

    from tokenflow_sim.report import render
    from tokenflow_sim.report.page import save_page

    with busy("writing the report"):
        text = render(run)
    make_folder(page.parent)
    save_page(text, page, force=force)
    say(f"report: {page}")
