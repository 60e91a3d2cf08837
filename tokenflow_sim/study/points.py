"""The points of a study made into its runs, all of them checked and their labels known before the first is played."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tokenflow_sim.errors import Fault, InputError, ScenarioError
from tokenflow_sim.study.design import Design
from tokenflow_sim.study.frame import Frame
from tokenflow_sim.study.task import Task


def prepare(design: Design, pattern: Task, frame: Frame, recorded: Sequence[str]) -> list[Task]:
    """Make the tasks, check all points, and tell the frame the shape of what they will bring.

    Raises
    ------
    ScenarioError
        With the faults of all points, the first time each is found.
    """
    tasks: list[Task] = []
    faults: dict[str, Fault] = {}
    structures: set[str] = set()
    names = list(design.shape)
    for point in design:
        labels = dict(zip(names, point.index, strict=False)) | point.values
        of_point = [
            replace(pattern, seed=seed, label={**labels, "seed": seed}, overrides=point.values)
            for seed in design.seeds
        ]
        tasks += of_point
        try:
            structure = repr([(p, v) for p, v in point.values.items() if p == "periods" or not _is_number(v)])
            if structure in structures:
                pattern.scenario.override(point.values)
            else:
                model = of_point[0].model(record=recorded)
                frame.add(model.ledger.plan, model.periods)
                structures.add(structure)
        except InputError as error:
            for fault in error.faults:
                faults.setdefault(str(fault), fault)
    if faults:
        raise ScenarioError(list(faults.values()), f"scenario {pattern.scenario.name!r} as it is varied")
    return tasks


def _is_number(value: Any) -> bool:
    """Say whether a value is one that moves numbers of a market, but not its labels."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)
