"""Plain data -> a Scenario, or one error with every fault of it.

The schema is checked first. What it refuses is then set aside, so that names and sums can be checked over the
rest: a wrong number in one row must not hide an unknown name in another.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from tokenflow_sim.scenario.checks import check
from tokenflow_sim.scenario.intake import Intake
from tokenflow_sim.scenario.places import Loc, faults_of, path_of, value_at
from tokenflow_sim.scenario.schema import Scenario

# Sections whose entries stand for themselves: a faulty one is set aside whole, and its name is remembered.
_NAMED = ("nodes", "workloads", "hardware", "providers", "owners", "regions")


@dataclass
class Aside:
    """What was set aside: names that exist though their entries are faulty, and renumbered lists."""

    names: dict[str, set[str]] = field(default_factory=dict)
    kept: dict[Loc, list[int]] = field(default_factory=dict)

    def original(self, loc: Loc) -> Loc:
        """Return a place as the user counts it."""
        for length in range(1, len(loc)):
            numbers = self.kept.get(loc[:length])
            part = loc[length]
            if numbers is not None and isinstance(part, int) and part < len(numbers):
                return (*loc[:length], numbers[part], *loc[length + 1 :])
        return loc


def build(intake: Intake) -> Scenario:
    """Make a scenario of plain data.

    Parameters
    ----------
    intake : Intake
        The data, with its tables read in, and the faults found so far.

    Raises
    ------
    ScenarioError
        With the faults of the intake, of the schema, and of names and sums.
    """
    scenario, aside = None, Aside()
    try:
        scenario = Scenario.model_validate(intake.data)
    except ValidationError as error:
        found = [(loc, message) for loc, message in faults_of(error, Scenario) if loc not in intake.dropped]
        intake.tell(found)
        scenario, aside = _set_aside(intake.data, error)
    for loc in intake.dropped:
        if loc[0] == "providers":
            aside.names.setdefault("power", set()).add("")
    if scenario is not None:
        found = check(scenario, aside.names, {path_of(loc) for loc in intake.dropped})
        intake.tell([(aside.original(loc), message) for loc, message in found])
    if intake.faults or scenario is None:
        raise intake.fail()
    return scenario


def _set_aside(data: dict[str, Any], error: ValidationError) -> tuple[Scenario | None, Aside]:
    """Validate what is left once everything faulty is taken out; None where too little is left."""
    aside = Aside()
    rest = copy.deepcopy(data)
    for _ in range(3):  # taking out one entry may leave another section empty
        cut: dict[Loc, set[int]] = {}
        for details in error.errors(include_url=False, include_input=False, include_context=False):
            loc: Loc = tuple(part for part in details["loc"] if part != "[key]")
            _cut(rest, loc, aside, cut)
        for place, numbers in cut.items():
            items = value_at(rest, place)
            before = aside.kept.get(place, list(range(len(items))))
            aside.kept[place] = [before[n] for n in range(len(items)) if n not in numbers]
            items[:] = [item for n, item in enumerate(items) if n not in numbers]
        rest.setdefault("format", 1)
        rest.setdefault("name", "unnamed")
        try:
            return Scenario.model_validate(rest), aside
        except ValidationError as again:
            error = again
    return None, aside


def _cut(rest: Any, loc: Loc, aside: Aside, cut: dict[Loc, set[int]]) -> None:
    """Take one faulty entry out, or note it where it stands in a list."""
    if not loc:
        return
    if loc[0] == "providers" and len(loc) > 3 and loc[2] == "assets" and isinstance(loc[3], int):
        cut.setdefault(loc[:3], set()).add(loc[3])
        aside.names.setdefault("power", set()).add("")
        return
    if loc[0] == "outages" and len(loc) > 1 and isinstance(loc[1], int):
        cut.setdefault(loc[:1], set()).add(loc[1])
        return
    if loc[0] in _NAMED and len(loc) > 1:
        aside.names.setdefault(str(loc[0]), set()).add(str(loc[1]))
        if loc[0] == "providers":
            aside.names.setdefault("power", set()).add("")
        depth = 2
    elif loc[:2] == ("network", "arcs") and len(loc) > 2:
        aside.names.setdefault("arcs", set()).add(str(loc[2]))
        depth = 3
    else:
        depth = len(loc)
        while depth > 1 and isinstance(loc[depth - 1], int):
            depth -= 1
    parent = value_at(rest, loc[: depth - 1])
    if isinstance(parent, dict) and parent.pop(loc[depth - 1], None) is None and depth > 2:
        # What is missing cannot be taken out; its holder can.
        holder = value_at(rest, loc[: depth - 2])
        if isinstance(holder, dict):
            holder.pop(loc[depth - 2], None)
