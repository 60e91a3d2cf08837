"""Write the reference pages that are made from the code: ``uv run python docs/make_reference.py``."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, get_args, get_type_hints

import yaml
from typer.models import ArgumentInfo, OptionInfo

from tokenflow_sim import variables
from tokenflow_sim.cli import app
from tokenflow_sim.plot.reference import reference as figures_page
from tokenflow_sim.scenario.reference import page as scenarios_page
from tokenflow_sim.strategies.observation_encoding import FIELDS, usual
from tokenflow_sim.strategies.reference import pages as strategy_pages
from tokenflow_sim.variables import Variable

FOLDER = Path(__file__).resolve().parent / "reference"

HEAD = """\
# Variables

<!-- Made from tokenflow_sim/variables.py by docs/make_reference.py; change it there. -->

Every array carries its unit and meaning as the attributes `units` and `long_name`. Rates are per second,
prices per million tokens (Mtok), money is `$/h` in a single clearing and `$/period` in the results of a run.

Where two units are given, the first holds where bandwidth is physical (`GB/s`), the second where it is
measured in token equivalents (`Mtok/s`).
"""

ENVIRONMENTS = """\
# Environments

<!-- Made from tokenflow_sim/strategies/observation_encoding.py by docs/make_reference.py; change it there. -->

What agents observe in the environments of `tokenflow_sim.env`, and what trained policies observe when they play. An
observation is one vector of float32: the quantities below in this order, each flattened row by row. [How to use
them](../how-to/reinforcement-learning.md).

A quantity x becomes a number by `x / (s + |x|)` (a ratio: half at the scale s, 1 at infinity) or by `x / s` (a share,
cut at its bounds). Scales are fixed by the scenario, the same for all seeds and, but for what an agent has, for all
agents; an encoding's `to_config()` lists them:

| scale | what it is | unit |
| --- | --- | --- |
| `price` | mean size of the true cost of all assets that can serve a class | $/Mtok |
| `quantity` | mean expected demand for a class, of the nodes that have any | Mtok/s |
| `installed` | most capacity of each asset for a class | Mtok/s |
| `link` | capacity of each link | GB/s or Mtok/s |
| `rent` | mean over classes of `price` over link use | $/GB or $/Mtok |
| `money` | `price` times `installed` (owners and regions: `quantity`) times the seconds of a period | $ |

Dims: `row` are the agent's own assets, arcs or nodes, `workload` the classes, `node` all nodes, `market_asset`
everybody's assets, `lag` past periods, the last one first, `part` sine and cosine. What is of the last period is zero
before the first."""
_ARTICLE = {"provider": "a", "owner": "an", "region": "a"}
_FORMS = {"ratio": "ratio to `{}`", "share": "share of `{}`", "level": "as it is"}

SECTIONS: tuple[tuple[str, str, Mapping[str, Variable]], ...] = (
    (
        "A market",
        "What `tf.Market(...)` takes and `market.to_dataset()` gives. `block` (stepped offers) may follow\n"
        "the dims of `offer_price` and `capacity`, `step` (stepped willingness to pay) those of `demand`\n"
        "and `value`.",
        variables.MARKET,
    ),
    (
        "A clearing",
        "What `tf.clear(market)` answers. `dispatch` and `scarcity_rent` have the market's blocks,\n"
        "`unserved` its steps.",
        variables.CLEARING,
    ),
    (
        "The parts of a price",
        "What `tf.decompose(market, clearing)` gives; they sum to the price.",
        variables.DECOMPOSITION,
    ),
    (
        "The parts of a price beside a reference",
        "What `tf.decompose(market, clearing, reference=...)` gives; they sum to the price.",
        variables.REFERENCE_SPLIT,
    ),
    ("A settlement", "What `tf.settle(market, clearing)` gives.", variables.SETTLEMENT),
    (
        "The results of a run",
        "What `model.results()` and the file of a run hold.",
        variables.RESULTS,
    ),
    (
        "Work that waits",
        "What they hold beside, where a region's strategy lets work wait (`keeps_backlog`).",
        variables.BACKLOG,
    ),
    (
        "Lines",
        "What they hold beside, where a strategy offers or bids along lines (`offers_slopes`, `bids_slopes`): of an\n"
        "offer of which x is taken the next unit costs `offer_price + offer_slope x`. Asked for in `record`, any run\n"
        "has them.",
        variables.SLOPES,
    ),
    (
        "Emissions",
        "What they hold beside, where sites of assets have a `carbon_intensity` or are named by `carbon.series`.",
        variables.EMISSIONS,
    ),
    (
        "Latency and residency",
        "What they hold beside, where `market.latency_rule` is `path`, or the scenario has `residency` or `delay`.\n"
        "Latencies are those at the loads of the period, by origin; the mean is zero where nothing is served. Where\n"
        "demand takes paths, `price` is that of the origin: what demand there pays.",
        variables.DELIVERY,
    ),
    (
        "Availability",
        "What they hold beside, where the scenario has `outages` or `outage_processes`.",
        variables.AVAILABILITY,
    ),
    (
        "The operator",
        "What they hold beside, where `market.pricing` is not `lmp`.",
        variables.OPERATOR,
    ),
    (
        "Forward contracts",
        "What they hold beside, where the scenario has `contracts`. `profit` is that of the market alone;\n"
        "with contracts it is `profit + contract_income`. Coordinates along `contract`: `contract_node`,\n"
        "`contract_workload`, `contract_seller`, `contract_buyer` (`kind:name`, empty for one outside the market).",
        variables.CONTRACTS,
    ),
    (
        "Market-power mitigation",
        "What they hold beside, where the scenario has `market.mitigation`; `offer_price` is what was cleared, and\n"
        "`submitted_slope` is there where a strategy offers along lines.",
        variables.MITIGATION,
    ),
    (
        "The power grid",
        "What they hold beside, where the scenario has a `grid`.",
        variables.GRID,
    ),
    (
        "The reference price of demand",
        "A coordinate that they have beside, where a region's strategy asks for it (`uses_reference_price`): the\n"
        "mean truthful price of expected demand over the scenario's first week, weighted by that demand.",
        variables.REFERENCE,
    ),
    (
        "The measures of a run",
        "What `tf.compare` and `tf.tournament` keep of each run; formulas are on [their page](measures.md).",
        variables.MEASURES,
    ),
)


def units(variable: Variable) -> str:
    """Give the unit of a variable, or both where it depends on how bandwidth is measured."""
    both = dict.fromkeys((variable.unit_for("GB/s"), variable.unit_for("Mtok/s")))
    return " or ".join(f"`{unit}`" for unit in both)


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """Set a Markdown table."""
    names = list(head)
    lines = [names, ["---"] * len(names), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def variables_page() -> str:
    """Give the text of the page on variables."""
    lines = [HEAD]
    for title, text, rows in SECTIONS:
        lines += [f"## {title}", "", text, ""]
        lines += table(
            ("name", "dims", "unit", "meaning"),
            (
                (f"`{row.name}`", ", ".join(row.dims) or "none", units(row), row.long_name)
                for row in rows.values()
            ),
        )
        lines.append("")
    lines += [
        "## Coordinates of a market",
        "",
        "Those along `asset` and `arc` beside the labels themselves.",
        "",
    ]
    lines += table(("name", "meaning"), ((f"`{name}`", text) for name, text in variables.COORDINATES.items()))
    lines += ["", "## Coordinates of results", ""]
    lines += table(
        ("name", "meaning"), ((f"`{name}`", text) for name, text in variables.RESULT_COORDINATES.items())
    )
    return "\n".join(lines) + "\n"


COMMANDS_HEAD = """\
# The command line

<!-- Made from tokenflow_sim/cli/ by docs/make_reference.py; change it there. -->

`tokenflow COMMAND --help` shows the same on the terminal, `tokenflow --version` the version. In a checkout, write
`uv run tokenflow` for `tokenflow`.

| exit status | meaning |
| --- | --- |
| 0 | done |
| 1 | a check failed: a row of `reproduce`, the certificate of a clearing, an equilibrium, or runs of a study |
| 2 | bad input: the message says what is wrong, where, what is known there, and what to do |
| 70 | a fault of the program itself; `--debug` shows its traceback |
| 130 | interrupted; no unfinished file is left behind |

A study whose runs failed says who failed and why, keeps and shows what was finished, and ends with status 1. Of a
sweep, infeasible runs are a result: where all that failed are infeasible, it ends with status 0.

Results go to files, tables to standard output, progress and errors to standard error. A file appears whole or not
at all, and one that exists is replaced only with `--force`.

`--set PATH=VALUE` changes any value of a scenario. The path is dotted as in the file (`demand.scale`,
`workloads.chat.latency_limit`, `providers.atlas.strategy.name`), the value is YAML. It may be repeated.
"""


def parameters_of(command: Callable[..., Any]) -> Iterator[tuple[ArgumentInfo | OptionInfo, str, str, str]]:
    """Give each parameter of a command: typer's record of it, its name, the kind of its value, its default."""
    hints = get_type_hints(command, include_extras=True)
    for name, parameter in inspect.signature(command).parameters.items():
        kind, *notes = get_args(hints[name])
        (info,) = (note for note in notes if isinstance(note, ArgumentInfo | OptionInfo))
        kinds = [part for part in get_args(kind) or (kind,) if part is not type(None)]
        if isinstance(kinds[0], type) and issubclass(kinds[0], Enum):
            value = "|".join(str(choice.value) for choice in kinds[0])
        else:
            value = "" if kinds[0] is bool else info.metavar or ("N" if kinds[0] is int else name.upper())
        default = parameter.default
        silent = default is None or default is False or default is inspect.Parameter.empty
        yield info, name, value, "" if silent else str(default)


def command_section(name: str, command: Callable[..., Any]) -> list[str]:
    """Give the section of one command: what it does, how it is called, and its options."""
    arguments, rows = [], []
    for info, own_name, value, default in parameters_of(command):
        if isinstance(info, ArgumentInfo):
            required = inspect.signature(command).parameters[own_name].default is inspect.Parameter.empty
            arguments.append(value if required else f"[{value}]")
            names = value
        else:
            # Inside Annotated, typer keeps the first name of an option where its default would be.
            names = ", ".join((info.default, *(info.param_decls or ()))) + (f" {value}" if value else "")
        text = re.sub(r" *\\?\[default: (.*)\]$", r" Default: `\1`.", info.help or "")
        text += f" Default: `{default}`." if default else ""
        names, text = (cell.replace("|", "\\|") for cell in (names, text))
        rows.append((f"`{names}`", text))
    usage = " ".join(["tokenflow", name, *arguments, "[OPTIONS]"])
    text = inspect.cleandoc(command.__doc__ or "")
    return ["", f"## {name}", "", f"`{usage}`", "", text, "", *table(("parameter", "meaning"), rows)]


def commands_page() -> str:
    """Give the text of the page on the command line."""
    lines = [COMMANDS_HEAD.rstrip()]
    for record in app.registered_commands:
        if record.name and record.callback:
            lines += command_section(record.name, record.callback)
    for group in app.registered_groups:
        for record in group.typer_instance.registered_commands if group.typer_instance else ():
            if record.name and record.callback:
                lines += command_section(f"{group.name} {record.name}", record.callback)
    return "\n".join(lines) + "\n"


def environments_page() -> str:
    """Return the page of environments: what agents observe and decide, with units, scaling and bounds."""
    lines = [ENVIRONMENTS]
    for kind, fields in FIELDS.items():
        lines += [f"\n## What {_ARTICLE[kind]} {kind} observes\n"]
        rows = (
            [
                f"`{name}`" + ("" if name in usual(kind) else " (on request)"),
                field.meaning,
                f"`{field.unit}`",
                f"({', '.join(field.dims)})",
                _FORMS[field.form].format(field.scale),
                f"{field.low:g} to 1",
            ]
            for name, field in fields.items()
        )
        lines += table(("quantity", "meaning", "unit", "dims", "number", "bounds"), rows)
    return "\n".join([*lines, ""])


def has_figure(name: str) -> bool:
    """Say whether a figure of a strategy at work was drawn."""
    return (FOLDER.parent / "images" / "strategies" / f"{name}.png").exists()


AT_WORK = yaml.safe_load((FOLDER.parent / "figures" / "strategies.yaml").read_text(encoding="utf-8"))[
    "scenes"
]

PAGES = {
    "cli.md": commands_page,
    "environments.md": environments_page,
    "figures.md": figures_page,
    "scenarios.md": scenarios_page,
    "variables.md": variables_page,
    **{f"strategies/{name}": page for name, page in strategy_pages(AT_WORK, has_figure).items()},
}


def main() -> None:
    """Write every page."""
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
