"""``tokenflow report``: a run, a comparison or a sweep on one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tokenflow_sim.cli.console import busy, say
from tokenflow_sim.cli.options import Debug, Force, check_suffix, make_folder, refuse_existing


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
