"""Write the reference pages that are made from the code: ``uv run python docs/make_reference.py``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from tokenflow_sim import variables
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
    ("A settlement", "What `tf.settle(market, clearing)` gives.", variables.SETTLEMENT),
    (
        "The results of a run",
        "What `model.results()` and the file of a run hold.",
        variables.RESULTS,
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


PAGES = {"variables.md": variables_page}


def main() -> None:
    """Write every page."""
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
