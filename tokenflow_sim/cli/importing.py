"""``tokenflow import``: the group of commands that read files of other tools.

A command of the group is one entry of ``_COMMANDS``; it lives in a module ``cli/import_*.py`` and ends with
:func:`tokenflow_sim.cli.imported.deliver`.
"""

from __future__ import annotations

from collections.abc import Callable

import typer

from tokenflow_sim.cli import import_places, import_pypsa, import_series, import_topology, import_trace
from tokenflow_sim.cli.guard import Command

group = typer.Typer(
    no_args_is_help=True,
    help="Read files of other tools: write tables of the scenario format and the YAML lines that use them.",
)
_COMMANDS: dict[str, Callable[..., None]] = {
    # prices and sites
    "prices": import_series.prices,
    "carbon": import_series.carbon,
    "latency": import_places.latency,
    "sites": import_places.sites,
    # demand and networks
    "pypsa": import_pypsa.pypsa,
    "topology": import_topology.topology,
    "trace": import_trace.trace,
}
for _name, _command in _COMMANDS.items():
    group.command(_name, cls=Command)(_command)
