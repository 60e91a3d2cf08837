"""The whole reproduction: its table and its figures' data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import xarray as xr

from tokenflow_sim.disk import writing
from tokenflow_sim.results.files import save_results, whole_file
from tokenflow_sim.study.paper import figures, rows
from tokenflow_sim.study.paper.cases import Cases
from tokenflow_sim.study.paper.row import Row

FIGURES = {
    "figure1": "20-node market at 35x: processing, flows and prices on the map",
    "figure2": "5-node market at 35x: processing, flows and utilisation",
    "figure3": "5-node demand sweep, scales 1 to 45",
    "figure4": "link utilisation of the transfer-aware program; chat prices before and after tight latency limits",
}
TABLE = "paper.csv"
FILES = (TABLE, *(f"{name}.nc" for name in FIGURES))
"""What `Reproduction.save` writes."""


@dataclass(frozen=True, eq=False)
class Reproduction:
    """The paper's numbers beside ours.

    Parameters
    ----------
    rows : tuple of Row
        In the paper's order.
    figures : dict of Dataset
        The data of Figures 1 to 4, by ``figure1`` to ``figure4``.
    """

    rows: tuple[Row, ...]
    figures: dict[str, xr.Dataset]

    @property
    def table(self) -> pd.DataFrame:
        """All rows: section, row, paper, ours, difference, matches (None where it need not), note."""
        return pd.DataFrame(
            [
                {
                    "section": row.section,
                    "row": row.name,
                    "paper": row.paper,
                    "ours": row.ours,
                    "difference": row.difference,
                    "matches": row.matches,
                    "note": row.note,
                }
                for row in self.rows
            ]
        )

    @property
    def dataset(self) -> xr.Dataset:
        """The table's numbers along `row`."""
        names = [f"{row.section}: {row.name}" for row in self.rows]
        columns = ("paper", "ours", "difference", "tolerance")
        data = {name: ("row", [float(getattr(row, name)) for row in self.rows]) for name in columns}
        return xr.Dataset(data, coords={"row": names})

    @property
    def failures(self) -> tuple[Row, ...]:
        """Rows that should match and do not."""
        return tuple(row for row in self.rows if row.matches is False)

    def __str__(self) -> str:
        """Write every row, and below them the notes that they refer to."""
        notes = list(dict.fromkeys(row.note for row in self.rows))
        verdicts = {True: "matches", False: "DIFFERS", None: "open"}
        lines: list[str] = []
        section = None
        for row in self.rows:
            if row.section != section:
                section = row.section
                lines += ["", section]
            whole = float(row.paper).is_integer() and float(row.ours).is_integer()
            decimals = 0 if whole else row.printed + 2
            lines.append(
                f"  {row.name:<44}{row.paper:>11,.{row.printed}f}{row.ours:>14,.{decimals}f}"
                f"{round(row.difference, decimals) + 0.0:>+12,.{decimals}f}  {verdicts[row.matches]:<8}"
                f"[{notes.index(row.note) + 1}]"
            )
        lines += ["", *(f"[{number}] {note}" for number, note in enumerate(notes, 1))]
        return "\n".join(lines[1:])

    def save(self, folder: str | Path) -> list[Path]:
        """Write the table as CSV and each figure's data as NetCDF.

        Parameters
        ----------
        folder : str or Path
            Where to; made if it does not exist.

        Returns
        -------
        list of Path
            What was written; files that are there already are replaced.

        Raises
        ------
        ResultError
            If the folder cannot be written to.
        """
        target = Path(folder)
        with writing(target):
            target.mkdir(parents=True, exist_ok=True)
        table = target / TABLE
        with whole_file(table, force=True) as draft:
            self.table.to_csv(draft, index=False)
        return [
            table,
            *(save_results(data, target / f"{name}.nc", force=True) for name, data in self.figures.items()),
        ]


def reproduce() -> Reproduction:
    """Compute every number that the paper prints, and the data of its figures.

    Returns
    -------
    Reproduction
        Rows with the paper's number, ours and whether they agree to the digits printed.
    """
    five, twenty = Cases("us5"), Cases("us20")
    made: list[Row] = [
        *rows.five_nodes(five),
        *rows.decompositions(five),
        *rows.demand_growth(five),
        *rows.variants(five),
        *rows.latency(five),
        *rows.twenty_nodes(twenty),
    ]
    data = {
        "figure1": figures.dispatch_map(twenty),
        "figure2": figures.dispatch_map(five),
        "figure3": five.sweep(figures.SWEEP),
        "figure4": figures.bottlenecks(five),
    }
    for name, dataset in data.items():
        dataset.attrs["description"] = FIGURES[name]
    return Reproduction(tuple(made), data)
