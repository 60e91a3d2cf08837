"""``tokenflow import topology``: networks to nodes and arcs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tokenflow_sim.cli.imported import Out, check_target, deliver
from tokenflow_sim.cli.options import Debug, Force
from tokenflow_sim.cli.pairs import text_pairs


def topology(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="GML, GraphML, node-link JSON or SNDlib (native or XML).")
    ],
    out: Out = None,
    scenario: Annotated[
        bool,
        typer.Option("--scenario", help="Make a whole scenario that runs, the rest of it by assumption."),
    ] = False,
    name: Annotated[str | None, typer.Option("--name", help="Its name; the file's if left out.")] = None,
    format: Annotated[
        str | None, typer.Option("--format", help="gml, graphml, json or sndlib; recognised if left out.")
    ] = None,
    capacity: Annotated[
        float, typer.Option("--capacity", help="GB/s of a link whose speed the file does not say.")
    ] = 1.25,
    capacity_attribute: Annotated[
        str | None, typer.Option("--capacity-attribute", help="Attribute of links that holds the capacity.")
    ] = None,
    capacity_unit: Annotated[
        str | None,
        typer.Option(
            "--capacity-unit", help="Unit of capacities that are plain numbers, e.g. Mbit/s, Gbit/s, GB/s."
        ),
    ] = None,
    latency: Annotated[
        float | None,
        typer.Option("--latency", help="Latency in ms where neither the file nor coordinates say it."),
    ] = None,
    km_per_ms: Annotated[
        float, typer.Option("--km-per-ms", help="Distance that a signal travels in fibre in 1 ms.")
    ] = 200.0,
    hop_latency: Annotated[
        float, typer.Option("--hop-latency", help="Latency of a hop beside propagation, in ms.")
    ] = 5.0,
    both: Annotated[
        bool, typer.Option("--both", help="Add the opposite of one-way links of a directed file.")
    ] = False,
    map: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="LABEL=NODE", help="Name of a node by its label; may be repeated."),
    ] = None,
    force: Force = False,
    debug: Debug = False,
) -> None:
    """Make nodes and arcs, or a whole scenario, of a network's topology."""
    from tokenflow_sim.importing import topology as read

    check_target(out, force)
    found = read(
        file, format=format, capacity=capacity, capacity_attribute=capacity_attribute, capacity_unit=capacity_unit,
        latency=latency, km_per_ms=km_per_ms, hop_latency=hop_latency, both=both, map=text_pairs(map, "--map"),
        scenario=scenario, name=name,
    )  # fmt: skip
    deliver(found, out, force=force)
