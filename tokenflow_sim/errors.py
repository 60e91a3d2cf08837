"""The exceptions that a user meets.

Every message says what is wrong, where, what is known there, and what to do. Faults of an input are
gathered and reported together, because mending a file one error at a time wastes a day.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any


class TokenflowError(Exception):
    """Base of all errors that this package raises on purpose."""


@dataclass(frozen=True)
class Fault:
    """One fault of an input.

    Parameters
    ----------
    message : str
        What was found and what is known, e.g. ``unknown node 'asia'; known nodes: ashburn, dallas``.
    place : str
        Where in the input, e.g. ``providers.b.assets[2].node`` or ``capacity[asset='a', workload='chat']``.
    file : str
        The file it stands in; empty for data that came from no file.
    """

    message: str
    place: str = ""
    file: str = ""

    def __str__(self) -> str:
        """Return ``file: place: message``, leaving out what is unknown."""
        return ": ".join(part for part in (self.file, self.place, self.message) if part)


class InputError(TokenflowError, ValueError):
    """An input has faults; all that were found are listed.

    Parameters
    ----------
    faults : iterable of Fault
        The faults, in the order of the input.
    subject : str
        What the input is, e.g. ``scenario 'us5'``.
    """

    def __init__(self, faults: Iterable[Fault], subject: str = "input") -> None:
        self.faults: tuple[Fault, ...] = tuple(faults)
        self.subject = subject
        count = len(self.faults)
        head = f"{subject} has {count} fault{'s' if count != 1 else ''}"
        super().__init__("\n".join([f"{head}:", *(f"  - {fault}" for fault in self.faults)]))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by the parts, so that the error crosses process borders whole."""
        return type(self), (self.faults, self.subject)


class ScenarioError(InputError):
    """A scenario's files have faults."""


class DataError(InputError):
    """A file of another tool, given to an importer, has faults; each names file, row and column."""


class MarketError(InputError):
    """The arrays given to a Market have faults."""


class StrategyError(TokenflowError):
    """A strategy cannot be found or made, or returned an offer that the market cannot take."""


_REMEDY = (
    "\n  Lower demand, add capacity or links, relax the latency limits, sites' `grid_mw` and limits of your own, or"
    " let demand go unserved at a value (`value` of a Market; `market.must_serve: false` in a scenario)."
)
_POWER = "bus_balance"  # the limit that a power grid has at its buses
_POWER_REMEDY = (
    "\n  Where power is short, give generators or lines there more capacity, lower the load, or add a generator at the"
    " value of load that may be shed; where there is too much, lower what must run, or give lines more capacity."
)


class InfeasibleError(TokenflowError):
    """Demand that must be served cannot be met, or a limit cannot be kept.

    Parameters
    ----------
    shortfall : dict
        ``{(node, workload): missing Mtok/s}`` of a service that leaves the least demand unmet.
    limits : dict, optional
        ``{(limit, label): missing}`` of further limits, e.g. the power that is missing at a bus; below zero where
        there is more of it than anybody can take.
    units : dict, optional
        Units of these, by limit.
    """

    def __init__(
        self,
        shortfall: dict[tuple[Any, Any], float],
        limits: dict[tuple[str, Any], float] | None = None,
        units: dict[str, str] | None = None,
    ) -> None:
        self.shortfall, self.limits, self.units = shortfall, limits or {}, units or {}
        by_class: dict[Any, list[tuple[Any, float]]] = {}
        for (node, workload), missing in shortfall.items():
            by_class.setdefault(workload, []).append((node, missing))
        lines = [
            f"  - {workload}: {sum(m for _, m in rows):.6g} Mtok/s short, at "
            + ", ".join(f"{node} ({missing:.6g})" for node, missing in rows)
            for workload, rows in by_class.items()
        ]
        by_limit: dict[str, list[tuple[Any, float]]] = {}
        for (name, label), missing in self.limits.items():
            by_limit.setdefault(name, []).append((label, missing))
        for name, rows in by_limit.items():
            unit = f" {self.units[name]}" if self.units.get(name) else ""
            for word, sign in (("short", 1.0), ("too much", -1.0)):
                found = [(label, sign * missing) for label, missing in rows if sign * missing > 0]
                if found:
                    spots = ", ".join(f"{label} ({missing:.6g})" for label, missing in found)
                    lines.append(f"  - {name}: {sum(m for _, m in found):.6g}{unit} {word}, at {spots}")
        super().__init__(
            ("demand that must be served cannot be met:\n" if shortfall else "limits cannot be kept:\n")
            + "\n".join(lines)
            + (_POWER_REMEDY if by_limit.keys() == {_POWER} and not shortfall else _REMEDY)
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by the shortfall."""
        return type(self), (self.shortfall, self.limits, self.units)


class CarbonCapError(InfeasibleError):
    """A cap on emissions cannot be met while all demand that must be served is.

    Parameters
    ----------
    caps : dict
        What each such cap allows and the least that has to be emitted, both in tonnes, by its name. Of several caps
        those of the service that exceeds all of them together by least.
    """

    def __init__(self, caps: dict[str, tuple[float, float]]) -> None:
        self.caps = caps
        self.shortfall = {}
        one = len(caps) == 1
        listed = "; ".join(
            f"{name!r} allows {cap:.6g} t, and at least {least:.6g} t are emitted"
            for name, (cap, least) in caps.items()
        )
        Exception.__init__(
            self,
            f"{'a carbon cap' if one else 'carbon caps'} cannot be met where demand must be served: {listed}. Raise"
            f" {'it' if one else 'them'}, give an `offset_price`, or let demand go unserved at a value.",
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by the caps."""
        return type(self), (self.caps,)


class CertificateError(TokenflowError):
    """A clearing could not be certified as optimal within tolerance, by any of the methods tried."""


class ResultError(TokenflowError):
    """A result file cannot be read, or may not be written."""


class FailedRunsWarning(UserWarning):
    """Runs of a study failed; the message has the first cause, and what follows for the study's numbers."""


def unknown_name(what: str, value: object, options: Sequence[object], limit: int = 12) -> str:
    """Say that a name is unknown, which names are known, and which one may have been meant.

    Parameters
    ----------
    what : str
        The kind of thing, in the singular, e.g. ``node``.
    value : object
        The name that was found.
    options : sequence
        The names that are known.
    limit : int
        How many known names to list.

    Returns
    -------
    str
        E.g. ``unknown node 'asia'; known nodes: ashburn, dallas``.
    """
    names = [str(option) for option in options]
    listed = ", ".join(names[:limit]) + (f", ... ({len(names)} in all)" if len(names) > limit else "")
    head, of, rest = what.partition(" of ")
    plural = (
        head[:-1] + "ies"
        if head.endswith("y")
        else head
        if head.endswith("series")
        else head + ("es" if head.endswith("s") else "s")
    )
    text = f"unknown {what} {value!r}; known {plural}{of}{rest}: {listed or 'none'}"
    near = get_close_matches(str(value), names, n=1)
    return text + (f" (did you mean {near[0]!r}?)" if near else "")
