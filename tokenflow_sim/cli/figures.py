"""``tokenflow plot``: the figures of a run."""

from __future__ import annotations

from enum import StrEnum
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tokenflow_sim.cli.console import progress, say
from tokenflow_sim.cli.options import Debug, Force, make_folder, refuse_existing
from tokenflow_sim.errors import ResultError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
    force: Force = False,
    debug: Debug = False,
) -> None:
    """Draw prices, settlements, dispatch and the use of links over time."""
    from tokenflow_sim.ledger import load_results

    folder = out if out is not None else run.with_name(f"{run.stem}_figures")
    with load_results(run) as results:
        import matplotlib as mpl

        mpl.use("Agg")  # figures go to files, on machines without a screen too
        from tokenflow_sim.plot import figures

        files = {folder / f"{name}.{format}": draw for name, draw in figures(results).items()}
        if not files:
            raise ResultError(f"{run} has nothing to draw: no figure finds the variables that it needs")
        refuse_existing(files, force)
        make_folder(folder)
        with progress("drawing", len(files), "figures") as advance:
            for path, draw in files.items():
                save_figure(draw(results), path, format)
                advance()
    for path in files:
        say(str(path))


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
    from tokenflow_sim.ledger.files import told, whole_file

    drawn = BytesIO()
    figure.savefig(drawn, format=format, metadata=_TIMELESS[format])
    with whole_file(path, force=True) as draft, told(path):
        draft.write_bytes(drawn.getvalue())
