"""What the commands share that let strategies play: how strategies are written, outputs, and what failed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tokenflow_sim.cli.console import say
from tokenflow_sim.cli.guard import CHECK_FAILED
from tokenflow_sim.cli.options import check_outputs, parse_overrides
from tokenflow_sim.errors import Fault, InputError
from tokenflow_sim.numerals import counted, significant

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tokenflow_sim.study.task import Failure

StrategyNames = Annotated[
    str,
    typer.Option(
        "--strategies",
        metavar="A,B,...",
        help="Strategies, with parameters in brackets where wanted: marginal_cost,fixed_markup(markup=0.3).",
    ),
]


def parse_strategies(text: str, option: str = "--strategies") -> list[dict[str, Any]]:
    """Read strategies as they are written on the command line.

    Parameters
    ----------
    text : str
        Names, parted by commas that stand outside of brackets, each with parameters in brackets where wanted:
        ``marginal_cost,fixed_markup(markup=0.3)``. Values are YAML.
    option : str
        The option that they were given by, for the message.

    Raises
    ------
    InputError
        With everything that cannot be read.
    """
    from tokenflow_sim.scenario import yaml_text

    found: list[dict[str, Any]] = []
    faults: list[Fault] = []
    for item in re.split(r",(?![^(]*\))", text):
        name, bracket, rest = item.strip().partition("(")
        spec: dict[str, Any] = {"name": name.strip()}
        if not name.strip() or (bracket and not rest.endswith(")")):
            faults.append(Fault(f"write name or name(parameter=value, ...); found {item!r}", option))
            continue
        for pair in filter(None, (part.strip() for part in rest.removesuffix(")").split(","))):
            key, equals, value = pair.partition("=")
            try:
                spec[key.strip()] = yaml_text.read(value).data
            except yaml_text.YamlFault:
                equals = ""
            if not equals:
                faults.append(Fault(f"write parameter=value; found {pair!r}", f"{option} {name.strip()}"))
        found.append(spec)
    if faults:
        raise InputError(faults, "the command line")
    return found


def prepare(
    assignments: Sequence[str] | None,
    out: Path | None,
    figures: Path | None,
    name: str,
    force: bool,
    resume: bool | None = None,
) -> tuple[dict[str, Any], Path | None]:
    """Read the overrides, and see that the files can be written, before any work; return the figure's name."""
    overrides = parse_overrides(assignments)
    figure = None if figures is None else figures / f"{name}.png"
    check_outputs(out, ".nc", {} if figure is None else {figure: ".png"}, force, resume)
    return overrides, figure


def draw(found: Any, path: Path | None) -> None:
    """Draw the figure, where one was asked for."""
    if path is None:
        return
    import matplotlib as mpl

    mpl.use("Agg")  # figures go to files, on machines without a screen too
    from tokenflow_sim.cli.figures import Format, save_figure

    figure: Figure = found.plot()
    save_figure(figure, path, Format.PNG)


def report_failures(failures: Sequence[Failure], *files: Path | None) -> None:
    """Tell what was written and what failed."""
    for path in files:
        if path is not None:
            say(f"wrote {path}")
    if failures:
        say(f"{counted(len(failures), 'run')} failed and left out:")
        for failure in failures[:5]:
            say(f"  - {failure}")
        raise typer.Exit(CHECK_FAILED)


def estimate(mean: float, lower: float, upper: float) -> list[str]:
    """Return a difference with its sign, and its interval, as the cells of a table."""
    sign = "+" if mean > 0 else ""
    return [sign + significant(mean, 3), f"{significant(lower, 3)} to {significant(upper, 3)}"]
