"""The grid at its place of a scenario's data: tables, series, links and PyPSA networks -> what the schema takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from tokenflow_sim.errors import ResultError, unknown_name
from tokenflow_sim.scenario.grid import PARTS, PypsaNetwork
from tokenflow_sim.scenario.grid_pypsa import grid_of
from tokenflow_sim.scenario.intake import Intake
from tokenflow_sim.scenario.places import faults_of
from tokenflow_sim.scenario.pypsa_network import is_network, open_network, quiet
from tokenflow_sim.scenario.pypsa_unlike import faults_of_network, unlike
from tokenflow_sim.scenario.table_at import TableAt

TABLES = {"buses": "bus", "lines": "line", "generators": "generator"}
"""The grid's tables, and the column of each that has the names."""
_FROM_PYPSA = (*TABLES, "load", "availability", "must_run", "cost")


def read_grid_tables(intake: Intake) -> None:
    """Replace a PyPSA network, and every table of the grid but its series, by what it holds."""
    grid = intake.data.get("grid")
    if not isinstance(grid, dict):
        return
    intake.data["grid"] = grid = dict(grid)
    if grid.get("pypsa") is not None:
        _NetworkAt(intake, grid, ("grid", "pypsa")).read()
    for section, key in TABLES.items():
        TableAt(intake, grid, ("grid", section)).keyed(key)
    _LinksAt(intake, grid, ("grid", "links")).read()


class _LinksAt(TableAt):
    """The table that says at which bus each node is."""

    def read(self) -> None:
        if not self.is_given():
            return
        table = self.table("node")
        if table is None or not {"node", "bus"} <= set(table.header):
            if table is not None:
                self.note("", f"needs columns 'node' and 'bus'; it has {', '.join(table.header)}", None)
            self.put(None)
            return
        for column in table.header:
            if column not in ("node", "bus"):
                self.note("", unknown_name("column", column, ["node", "bus"]), table.top)
        spots = table.header.index("node"), table.header.index("bus")
        found: dict[str, str] = {}
        for row, cells in enumerate(table.rows):
            node, bus = (str(cells[spot]) for spot in spots)
            if node in found:
                self.note(f".{node}", "is given twice", table.line(row))
            else:
                found[node] = bus
                self.origin(node, table.line(row))
        self.put(found)


class _NetworkAt(TableAt):
    """The PyPSA network at its place: a file, or an object of PyPSA."""

    network: Any = None

    def read(self) -> None:
        """Put the network's tables in its place, or report what keeps them out."""
        spec = self.spec()
        beside = [name for name in _FROM_PYPSA if self.parent.get(name)]
        if beside:
            self.note(
                "", f"stands beside {', '.join(beside)}: give the network, or tables, and not both", None
            )
        if spec is None or beside:
            self.lose()
            return
        try:
            if self.network is None:
                self.file = self.name_of(spec.file)
                network = open_network(self.path_of(spec.file))
            else:
                # What PyPSA works out on the way is written into a copy, not into the user's own.
                self.file, network = spec.file, self.network.copy()
            tables = self.tables(network, spec)
        except ResultError as error:
            self.file = ""
            self.note("", str(error), None)
            tables = None
        except ValueError as error:
            self.note("", str(error), None)
            tables = None
        if tables is None:
            self.lose()
            return
        del self.parent["pypsa"]
        self.parent.update(tables)

    def lose(self) -> None:
        """Leave out the network and what would stand in its place, so that nothing is said of what follows."""
        self.intake.dropped |= {("grid", name) for name in TABLES}
        for name in _FROM_PYPSA:
            self.parent.pop(name, None)
        self.put(None)

    def spec(self) -> PypsaNetwork | None:
        """Return how the network is read, and keep it where it is an object; None where that has faults."""
        given = self.given
        if isinstance(given, PypsaNetwork):
            return given
        fields = dict(given) if isinstance(given, Mapping) else {"file": given}
        if is_network(fields.get("file")):
            self.network = fields["file"]
            fields["file"] = str(self.network.name or "") or "the network"
        try:
            return PypsaNetwork.model_validate(fields)
        except ValidationError as error:
            self.intake.report([((*self.loc, *loc), text) for loc, text in faults_of(error, PypsaNetwork)])
            return None

    def tables(self, network: Any, spec: PypsaNetwork) -> dict[str, Any] | None:
        """Return the tables of a network; None where it has what it may not."""
        with quiet():
            wrong = list(faults_of_network(network))
            found = {} if wrong else unlike(network)
        ignored = PARTS if spec.ignore == "all" else spec.ignore
        for name in ignored:
            if name not in PARTS:
                self.intake.report(
                    [((*self.loc, "ignore"), unknown_name("part", name, list(PARTS), limit=30))]
                )
        left = {name: text for name, text in found.items() if name not in ignored}
        if left:
            said = "; ".join(f"{name} ({text})" for name, text in left.items())
            self.note(
                "",
                f"has what a grid here has not: {said}. To leave it out, write"
                f" `pypsa: {{file: {spec.file}, ignore: [{', '.join(left)}]}}` (or `ignore: all`)",
                None,
            )
        for text in wrong:
            self.note("", text, None)
        if left or wrong:
            return None
        return grid_of(network, spec.rate, self.file)
