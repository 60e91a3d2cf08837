"""``tokenflow import latency`` and ``sites``: where things stand, and how far apart they are."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tokenflow_sim.cli.imported import NodeNames, Out, check_target, deliver, named_pairs, place_names
from tokenflow_sim.cli.options import Debug, Force


class TimeUnit(StrEnum):
    """Units of latency."""

    MS = "ms"
    US = "us"
    S = "s"


def latency(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="A matrix with names, or rows of origin, destination and latency."
        ),
    ],
    rtt: Annotated[bool, typer.Option("--rtt", help="The file has round trips: halve them.")] = False,
    unit: Annotated[TimeUnit, typer.Option("--unit", help="Unit of the file.")] = TimeUnit.MS,
    map: NodeNames = None,
    capacity: Annotated[
        float | None,
        typer.Option(
            "--capacity", min=0, help="Capacity of every link in GB/s, which such a file does not state."
        ),
    ] = None,
    out: Out = None,
    force: Force = False,
    debug: Debug = False,
) -> None:
    """Read latencies between places and write the arcs of a network."""
    check_target(out, force)
    from tokenflow_sim.importing.latency_matrix import latency as read

    imported = read(file, rtt=rtt, unit=unit.value, map=place_names(map), capacity=capacity)
    deliver(imported, out, force=force)


def sites(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A table with a row a site, or a row a site and date.")
    ],
    column: Annotated[
        list[str] | None,
        typer.Option(
            "--column",
            metavar="WHAT=COLUMN",
            help="Column of the file for name, latitude, longitude, owner, power (MW), h100 (equivalents) or time;"
            " may be repeated. Those left out are found by their usual names.",
        ),
    ] = None,
    map: NodeNames = None,
    hardware: Annotated[
        str,
        typer.Option(
            "--hardware", metavar="NAME", help="Hardware type of every asset, which the scenario defines."
        ),
    ] = "fleet",
    watts_per_h100: Annotated[
        float | None,
        typer.Option(
            "--watts-per-h100",
            min=0,
            help="Power of one H100 equivalent in W, for sites without MW.",
        ),
    ] = None,
    electricity_price: Annotated[
        float | None,
        typer.Option(
            "--electricity-price", help="Electricity price of every site in $/kWh; none if left out."
        ),
    ] = None,
    pue: Annotated[
        float | None,
        typer.Option(
            "--pue",
            min=1,
            help="Power usage effectiveness of every site: its accelerators get the file's MW over it, unless these"
            " are of the IT equipment.",
        ),
    ] = None,
    out: Out = None,
    force: Force = False,
    debug: Debug = False,
) -> None:
    """Read a registry of data-centre sites and write nodes, and providers with their assets."""
    check_target(out, force)
    from tokenflow_sim.importing.site_registry import sites as read

    imported = read(
        file,
        columns=named_pairs(column, "--column", "power=MW"),
        map=place_names(map),
        hardware=hardware,
        watts_per_h100=watts_per_h100,
        electricity_price=electricity_price,
        pue=pue,
    )
    deliver(imported, out, force=force)
