"""``tokenflow import trace``: request traces to demand."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tokenflow_sim.cli.console import busy
from tokenflow_sim.cli.imported import Out, check_target, deliver
from tokenflow_sim.cli.options import Debug, Force
from tokenflow_sim.cli.pairs import number_pairs, text_pairs
from tokenflow_sim.errors import Fault, InputError


class Partial(StrEnum):
    """What to do with periods that the trace covers in part."""

    KEEP = "keep"
    DROP = "drop"
    SCALE = "scale"


def trace(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="The trace; a folder of ServeGen's tables counts too."),
    ],
    out: Out = None,
    format: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="azure, burstgpt, mooncake, vidur, servegen or generic; found by the columns if left out.",
        ),
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option(
            "--columns",
            metavar="ROLE=COLUMN,...",
            help="Columns of another form: time, input, output, and perhaps model.",
        ),
    ] = None,
    time_unit: Annotated[
        str | None,
        typer.Option("--time-unit", help="What its time counts: s, ms, us, ns, min, h, or stamp for dates."),
    ] = None,
    time_zone: Annotated[str, typer.Option("--time-zone", help="Time zone of dates that name none.")] = "UTC",
    hours: Annotated[float, typer.Option("--hours", help="Length of a period in hours.")] = 1.0,
    start: Annotated[
        str | None,
        typer.Option(
            "--start",
            help="Date from which periods are counted; what is before it is dropped. Of a trace without dates: its"
            " time zero.",
        ),
    ] = None,
    periods: Annotated[int | None, typer.Option("--periods", min=1, help="Keep so many periods.")] = None,
    partial: Annotated[
        Partial,
        typer.Option(
            "--partial", help="First and last period that the trace covers in part: keep, drop or scale."
        ),
    ] = Partial.KEEP,
    weights: Annotated[
        list[str] | None,
        typer.Option(
            "--weights",
            metavar="input=X,output=Y",
            help="Weights of tokens, e.g. input=0.2,output=1; one each if left out.",
        ),
    ] = None,
    scale: Annotated[float, typer.Option("--scale", help="Factor on all demand.")] = 1.0,
    workload: Annotated[str, typer.Option("--workload", help="The class of all requests.")] = "chat",
    by_model: Annotated[bool, typer.Option("--by-model", help="Make each model a class.")] = False,
    by_file: Annotated[bool, typer.Option("--by-file", help="Make each file a class.")] = False,
    by: Annotated[
        str | None, typer.Option("--by", metavar="COLUMN", help="Make each value of a column a class.")
    ] = None,
    map: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="NAME=CLASS",
            help="Class of a model, file or value; may be repeated, and several may share one.",
        ),
    ] = None,
    node: Annotated[str, typer.Option("--node", help="The node of all demand.")] = "world",
    shares: Annotated[
        list[str] | None,
        typer.Option("--shares", metavar="NODE=X,...", help="Split demand over nodes by these shares."),
    ] = None,
    nodes: Annotated[
        Path | None,
        typer.Option(
            "--nodes",
            help="Split demand over the nodes of this table, by population or demand_weight, and time_zone.",
        ),
    ] = None,
    profile: Annotated[
        Path | None,
        typer.Option(
            "--profile", help="Table of factors by local hour (hour, factor) that move the shares of --nodes."
        ),
    ] = None,
    tokens: Annotated[
        list[str] | None,
        typer.Option(
            "--tokens", metavar="input=X,output=Y", help="Tokens of a request, for rate tables that say none."
        ),
    ] = None,
    force: Force = False,
    debug: Debug = False,
) -> None:
    """Make demand in Mtok/s by period, node and class of a trace of requests."""
    from tokenflow_sim.importing import trace as read

    kinds = [*(["model"] if by_model else []), *(["file"] if by_file else []), *([by] if by else [])]
    if len(kinds) > 1:
        raise InputError([Fault("give one of --by-model, --by-file and --by")], "the command line")
    check_target(out, force)
    with busy("reading the trace"):
        found = read(
            files, format=format, columns=text_pairs(columns, "--columns"), time_unit=time_unit, time_zone=time_zone,
            hours=hours, start=start, periods=periods, partial=partial.value,
            weights=number_pairs(weights, "--weights"), scale=scale, workload=workload,
            by=kinds[0] if kinds else None, map=text_pairs(map, "--map"), node=node,
            shares=number_pairs(shares, "--shares"), nodes=nodes, profile=profile,
            tokens=number_pairs(tokens, "--tokens"),
        )  # fmt: skip
    deliver(found, out, force=force)
