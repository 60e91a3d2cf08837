"""``tokenflow import pypsa``: prices of a network's buses, and a market's power as loads of a network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tokenflow_sim.cli.console import busy, say
from tokenflow_sim.cli.imported import Out, check_target, deliver
from tokenflow_sim.cli.options import Debug, Force
from tokenflow_sim.cli.pairs import text_pairs
from tokenflow_sim.errors import Fault, InputError, ResultError


def pypsa(
    network: Annotated[
        Path | None,
        typer.Argument(metavar="NETWORK", help="A folder of CSV files or NetCDF.", show_default=False),
    ] = None,
    out: Out = None,
    buses: Annotated[
        list[str] | None, typer.Option("--bus", help="Take only this bus; may be repeated.")
    ] = None,
    map: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="BUS=NODE", help="Name of a node by its bus (with --load, NODE=BUS)."),
    ] = None,
    rate: Annotated[float, typer.Option("--rate", help="Dollars per unit of the network's currency.")] = 1.0,
    solve: Annotated[
        bool, typer.Option("--solve", help="Solve a network that has no prices, with HiGHS.")
    ] = False,
    load: Annotated[
        Path | None,
        typer.Option(
            "--load",
            metavar="RUN",
            help="The other way: add the power that this run draws as loads to NETWORK, or to a"
            " new network, and write it to --out (a folder, or .nc).",
        ),
    ] = None,
    force: Force = False,
    debug: Debug = False,
) -> None:
    """Make nodes and electricity prices of a PyPSA network; or loads of a run's power, with --load."""
    if load is not None:
        if out is None:
            raise InputError(
                [Fault("--load needs --out, a folder or a file ending in .nc")], "the command line"
            )
        _write_load(load, network, out, text_pairs(map, "--map"), force)
        return
    if network is None:
        raise InputError([Fault("name a network, or a run by --load")], "the command line")
    from tokenflow_sim.importing import pypsa as read

    check_target(out, force)
    with busy("reading the network"):
        found = read(network, buses=buses, map=text_pairs(map, "--map"), rate=rate, solve=solve)
    deliver(found, out, force=force)


def _write_load(run: Path, network: Path | None, out: Path, map: dict[str, str] | None, force: bool) -> None:
    from tokenflow_sim.importing import power_drawn, pypsa_load
    from tokenflow_sim.importing.pypsa_files import read_network, write_network
    from tokenflow_sim.results import load_results

    if not force and (out.is_file() or (out.is_dir() and any(out.iterdir()))):
        raise ResultError(f"{out} exists already: choose another --out, or replace with --force")
    with busy("writing the network"), load_results(run) as results:
        made = pypsa_load(results, None if network is None else read_network(network), map=map)
        power = power_drawn(results)
        write_network(made, out)
    say(
        f"power of {power.shape[1]} nodes in {power.shape[0]} periods: {power.sum(axis=1).mean():.6g} MW on average,"
        f" {power.sum(axis=1).max():.6g} MW at most"
    )
    say(f"wrote {out}")
