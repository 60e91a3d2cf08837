"""Plain data -> a Scenario, or one error with every fault of it.

The schema is checked first. What it refuses is then set aside, so that names and sums can be checked over the
rest: a wrong number in one row must not hide an unknown name in another.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from tokenflow_sim.scenario.checks import PLACEHOLDER, check
from tokenflow_sim.scenario.fields import BAD_NAME
from tokenflow_sim.scenario.intake import Intake
from tokenflow_sim.scenario.places import IS_NEEDED, Found, Loc, errors_of, faults_of, path_of, value_at
from tokenflow_sim.scenario.schema import ScenarioFields

GATHERING = "gathering"
"""Key of the validation context under which `build` finds faults of names and sums itself, to place them in files."""
_NAMED = ("nodes", "workloads", "hardware", "providers", "owners", "regions")
# Placeholder for a section that is missing or was lost to faults, so that the rest can be checked.
_STAND_INS: dict[str, Any] = {
    "format": 1,
    "name": "unnamed",
    "nodes": {PLACEHOLDER: {}},
    "workloads": {PLACEHOLDER: {"payload": 0}},
    "hardware": {PLACEHOLDER: {"throughput": {}, "energy": {}}},
    "providers": {PLACEHOLDER: {"assets": [{"node": PLACEHOLDER, "hardware": PLACEHOLDER, "power_mw": 1}]}},
}
_OF_CONTRACT: dict[str | int, Any] = {
    "node": PLACEHOLDER,
    "workload": PLACEHOLDER,
    "quantity": 0.0,
    "price": 0.0,
}


@dataclass
class SetAside:
    """What was set aside: names with faults in their entries, sections that are lost, renumbered lists."""

    names: dict[str, set[str]] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)
    numbering: dict[Loc, list[int]] = field(default_factory=dict)

    def mark(self, section: str, name: str = "") -> None:
        """Remember that an entry of a section has faults."""
        self.names.setdefault(section, set()).add(name)

    def original(self, loc: Loc) -> Loc:
        """Return a place as the user counts it."""
        for length in range(1, len(loc)):
            numbers = self.numbering.get(loc[:length])
            part = loc[length]
            if numbers is not None and isinstance(part, int) and part < len(numbers):
                return (*loc[:length], numbers[part], *loc[length + 1 :])
        return loc


def build[S: ScenarioFields](
    intake: Intake, cls: type[S], also: Callable[[S], list[Found]] | None = None
) -> S:
    """Make a scenario of plain data.

    Parameters
    ----------
    intake : Intake
        The data, with its tables read in, and the faults found so far.
    cls : type
        The class to make: `Scenario`, which this module does without.
    also : callable, optional
        Finds more faults in what the schema accepts, asked only where there are some already: what rooms above this
        one know, such as which strategies there are, is then reported with the rest.

    Raises
    ------
    ScenarioError
        With the faults of the intake, of the schema, and of names and sums.
    """
    scenario: S | None = None
    aside = SetAside()
    reported: set[Loc] = set()
    refused: list[Found] = []
    try:
        scenario = cls.model_validate(intake.data, context={GATHERING: True})
    except ValidationError as error:
        refused = _roots(faults_of(error, cls), intake)
        reported = {loc for loc, _ in errors_of(error, cls)}
        intake.report([(loc, text) for loc, text in refused if loc not in intake.dropped])
        scenario, aside = _set_aside(intake.data, cls, error)
    for section, names in intake.named.items():
        for name in names:
            aside.mark(section, name)
    unread = {path_of(loc) for loc in intake.dropped | intake.torn | intake.misnamed} | aside.lost
    # What was meant by a section, a series or a name that is refused, nobody knows; nor what would follow from it.
    unread |= {f"{loc[0]}.series" for loc in reported if loc[1:] in ((), ("series",))}
    unread |= {
        str(loc[0]) for loc, text in refused if len(loc) == 2 and loc[0] in _NAMED and BAD_NAME in text
    }
    unread |= (
        {"grid"} if any(loc[:1] == ("grid",) for loc in reported | intake.dropped | intake.torn) else set()
    )
    if any(path.startswith("providers") for path in unread):
        aside.mark("power")
    if scenario is not None:
        found = [(aside.original(loc), text) for loc, text in check(scenario, aside.names, unread)]
        # Nor is anything said about an entry of a list that a reported fault already left without what it needs.
        reported |= {loc[: n + 1] for loc in reported for n, part in enumerate(loc) if isinstance(part, int)}
        intake.report([(loc, text) for loc, text in found if loc not in reported and PLACEHOLDER not in loc])
    if intake.faults or scenario is None:
        if scenario is not None and also is not None:
            intake.report([(loc, text) for loc, text in also(scenario) if loc not in reported])
        raise intake.fail()
    return scenario


def _roots(found: list[Found], intake: Intake) -> list[Found]:
    """Leave out fields that are called missing only since their name, or that of their column, is misspelt."""
    misspelt: dict[Loc, list[str]] = {}
    for loc, text in found:
        if text.startswith("unknown field"):
            misspelt.setdefault(loc[:-1], []).append(str(loc[-1]))
    return [
        (loc, text)
        for loc, text in found
        if text != IS_NEEDED
        or not (
            any(loc[: len(table)] == table for table in intake.misnamed)
            or get_close_matches(str(loc[-1]), misspelt.get(loc[:-1], []), n=1)
        )
    ]


def _set_aside[S: ScenarioFields](
    data: dict[str, Any], cls: type[S], error: ValidationError
) -> tuple[S | None, SetAside]:
    """Validate what is left once everything faulty is taken out; None where too little is left."""
    aside = SetAside()
    rest = copy.deepcopy(data)  # the user's data stay whole: places in messages refer to them
    for _ in range(6):  # taking out one entry may leave its holder without what it needs
        cut: dict[Loc, set[int]] = {}
        for loc, _ in errors_of(error, cls):
            _cut(rest, loc, aside, cut)
        # Entries of lists are removed together, after all are known: removing one moves the numbers of the others.
        for place, numbers in cut.items():
            items = value_at(rest, place)
            if not isinstance(items, list):
                continue  # its holder was taken out meanwhile
            # The user counts entries as they were given, which an earlier round may have renumbered already.
            before = aside.numbering.get(place, list(range(len(items))))
            aside.numbering[place] = [before[n] for n in range(len(items)) if n not in numbers]
            items[:] = [item for n, item in enumerate(items) if n not in numbers]
        # The schema demands these sections; a placeholder satisfies it, and the checks pass over it.
        for section, stand_in in _STAND_INS.items():
            if section not in rest:
                rest[section] = copy.deepcopy(stand_in)
                aside.lost.add(section)
        try:
            return cls.model_validate(rest, context={GATHERING: True}), aside
        except ValidationError as again:
            error = again
    return None, aside


def _cut(rest: Any, loc: Loc, aside: SetAside, cut: dict[Loc, set[int]]) -> None:
    """Take a faulty value out of its mapping, or note the number of the list's entry that holds it."""
    if loc and loc[0] in _NAMED:
        aside.mark(str(loc[0]), str(loc[1]) if len(loc) > 1 else "")
    if loc[:1] == ("providers",):
        aside.mark("power")
    if loc[:1] == ("grid",) and len(loc) > 2:
        aside.mark(str(loc[1]), str(loc[2]))
    if loc[:2] == ("network", "arcs"):
        aside.mark("arcs", str(loc[2]) if len(loc) > 2 else "")
    # A faulty field of an asset or an outage costs that field alone where it has a placeholder, else the entry.
    for depth, part in enumerate(loc):
        if isinstance(part, int) and loc[depth - 1] in ("assets", "outages"):
            if not _patch(value_at(rest, loc[: depth + 1]), loc[depth + 1 :]):
                cut.setdefault(loc[:depth], set()).add(part)
            return
    if loc[:1] == ("contracts",) and len(loc) > 2 and loc[2] in _OF_CONTRACT:
        entry = value_at(rest, loc[:2])
        if isinstance(entry, dict) and entry.get(loc[2]) != _OF_CONTRACT[loc[2]]:
            entry[loc[2]] = _OF_CONTRACT[loc[2]]  # its other fields are still checked
            return
    # Other lists (a range, a matrix) mean nothing with a number taken out: the whole list goes.
    depth = len(loc)
    while depth and isinstance(loc[depth - 1], int):
        depth -= 1
    while depth:
        parent = value_at(rest, loc[: depth - 1])
        if isinstance(parent, dict) and loc[depth - 1] in parent:
            del parent[loc[depth - 1]]
            return
        depth -= 1  # what is missing cannot be taken out; its holder can


def _patch(entry: Any, loc: Loc) -> bool:
    """Take a faulty value out of an entry of a list, so that the rest of it is still checked, if that can be done."""
    if not isinstance(entry, dict) or not loc:
        return False
    field = loc[0]
    if field in ("node", "hardware") and entry.get(field) != PLACEHOLDER:
        entry[field] = PLACEHOLDER
        return True
    return field in entry and entry.pop(field) is not PLACEHOLDER
