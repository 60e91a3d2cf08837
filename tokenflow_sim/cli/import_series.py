"""``tokenflow import prices`` and ``carbon``: numbers of nodes over time."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

from tokenflow_sim.cli.imported import NodeNames, Out, check_target, deliver, named_pairs, place_names
from tokenflow_sim.cli.options import Debug, Force
from tokenflow_sim.errors import Fault, InputError


class PriceFormat(StrEnum):
    """Forms of price files."""

    CAISO = "caiso"
    PJM = "pjm"
    NYISO = "nyiso"
    ERCOT = "ercot"
    ENTSOE = "entsoe"
    GRIDSTATUS = "gridstatus"
    GENERIC = "generic"


class Stamp(StrEnum):
    """What a time stands for."""

    BEGIN = "begin"
    END = "end"


Files = Annotated[
    list[Path], typer.Argument(metavar="FILE...", help="CSV files, also zipped; several are put together.")
]
Time = Annotated[str | None, typer.Option("--time", metavar="COLUMN", help="Column of times.")]
TimeFormat = Annotated[
    str | None,
    typer.Option("--time-format", metavar="FORM", help="How times are written, e.g. %d/%m/%Y %H:%M."),
]
TimeZone = Annotated[
    str | None,
    typer.Option(
        "--time-zone", metavar="ZONE", help="Zone of times without an offset, e.g. America/Chicago, UTC."
    ),
]
StampOption = Annotated[
    Stamp | None, typer.Option("--stamp", help="Whether a time is the begin or the end of its interval.")
]
Place = Annotated[
    str | None,
    typer.Option("--place", metavar="COLUMN", help="Column of nodes, of a file with rows by node."),
]
Value = Annotated[str | None, typer.Option("--value", metavar="COLUMN", help="Column of numbers.")]
Where = Annotated[
    list[str] | None,
    typer.Option("--where", metavar="COLUMN=VALUE", help="Keep the rows with this value; may be repeated."),
]
Decimal = Annotated[
    str | None, typer.Option("--decimal", metavar="MARK", help="Decimal mark, a point or a comma.")
]
Fill = Annotated[
    str | None,
    typer.Option(
        "--fill",
        metavar="HOW",
        help="What the scenario puts where the file has nothing: hold, interpolate or a number"
        " in the unit of the files.",
    ),
]


def prices(
    files: Files,
    form: Annotated[
        PriceFormat | None,
        typer.Option("--format", help="Form of the files; found by their columns if left out."),
    ] = None,
    map: NodeNames = None,
    time: Time = None,
    time_format: TimeFormat = None,
    time_zone: TimeZone = None,
    stamp: StampOption = None,
    place: Place = None,
    value: Value = None,
    unit: Annotated[
        str | None,
        typer.Option("--unit", help="Unit of the files, where they do not state it: $/MWh, EUR/MWh, ct/kWh."),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            "--rate", help="Dollars per unit of their currency, to convert it; kept as it is if left out."
        ),
    ] = None,
    where: Where = None,
    decimal: Decimal = None,
    fill: Fill = None,
    out: Out = None,
    force: Force = False,
    debug: Debug = False,
) -> None:
    """Read electricity prices of CAISO, PJM, NYISO, ERCOT, ENTSO-E, gridstatus or any table; write a series."""
    check_target(out, force)
    from tokenflow_sim.importing.price_files import prices as read

    imported = read(
        files,
        format=form.value if form else None,
        map=place_names(map),
        time=time,
        time_format=time_format,
        time_zone=time_zone,
        stamp=stamp.value if stamp else None,
        place=place,
        value=value,
        unit=unit,
        rate=rate,
        where=named_pairs(where, "--where", "LMP_TYPE=LMP"),
        decimal=parse_decimal(decimal),
        fill=parse_fill(fill),
    )
    deliver(imported, out, force=force)


def carbon(
    files: Files,
    map: NodeNames = None,
    time: Time = None,
    time_format: TimeFormat = None,
    time_zone: TimeZone = None,
    stamp: StampOption = None,
    place: Place = None,
    value: Value = None,
    unit: Annotated[
        str | None, typer.Option("--unit", help="Unit of the files; what they state, or g/kWh, if left out.")
    ] = None,
    where: Where = None,
    decimal: Decimal = None,
    fill: Fill = None,
    out: Out = None,
    force: Force = False,
    debug: Debug = False,
) -> None:
    """Read the carbon intensity of electricity over time; write a series."""
    check_target(out, force)
    from tokenflow_sim.importing.carbon_intensity import carbon as read

    imported = read(
        files,
        map=place_names(map),
        time=time,
        time_format=time_format,
        time_zone=time_zone,
        stamp=stamp.value if stamp else None,
        place=place,
        value=value,
        unit=unit,
        where=named_pairs(where, "--where", "zone=DE"),
        decimal=parse_decimal(decimal),
        fill=parse_fill(fill),
    )
    deliver(imported, out, force=force)


def parse_decimal(text: str | None) -> Literal[".", ","] | None:
    """Read a decimal mark.

    Raises
    ------
    InputError
        If it is neither a point nor a comma.
    """
    marks: dict[str, Literal[".", ","]] = {".": ".", "point": ".", ",": ",", "comma": ","}
    if text is not None and text not in marks:
        raise InputError(
            [Fault(f"must be a point or a comma; found {text!r}", "--decimal")], "the command line"
        )
    return marks[text] if text is not None else None


def parse_fill(text: str | None) -> Literal["hold", "interpolate"] | float | None:
    """Read a field that is no number.

    Raises
    ------
    InputError
        If it is neither a number nor one of the two ways.
    """
    ways: dict[str | None, Literal["hold", "interpolate"] | None] = {
        None: None,
        "hold": "hold",
        "interpolate": "interpolate",
    }
    try:
        return ways[text] if text in ways else float(text or "")
    except ValueError:
        message = f"must be hold, interpolate or a number; found {text!r}"
        raise InputError([Fault(message, "--fill")], "the command line") from None
