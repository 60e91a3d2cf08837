"""The participants of a run, made from its scenario."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import mesa

from tokenflow_sim.agents.agent_classes import AgentClass, check_kind
from tokenflow_sim.agents.participant import RunInfo
from tokenflow_sim.agents.participants import ComputeProvider, DemandRegion, NetworkOwner
from tokenflow_sim.numeric import Ints
from tokenflow_sim.scenario import Compiled
from tokenflow_sim.strategies.assignment import StrategiesByKind
from tokenflow_sim.strategies.base import Kind


def participants_of(
    model: mesa.Model,
    compiled: Compiled,
    made: StrategiesByKind,
    classes: Mapping[Kind, Mapping[str, AgentClass]],
    run: RunInfo,
) -> tuple[dict[str, ComputeProvider], dict[str, NetworkOwner], dict[str, DemandRegion]]:
    """Make all providers, owners and regions of a run, by name.

    Parameters
    ----------
    model : mesa.Model
        The model they live in.
    compiled : Compiled
        The scenario as arrays.
    made : mapping
        Everybody's strategy, by kind and name.
    classes : mapping
        Everybody's class, by kind and name.
    run : RunInfo
        What they know of the run.

    Raises
    ------
    InputError
        If what was given to make an agent makes none of its kind.
    """

    def each(kind: Kind, rows: Mapping[str, Ints]) -> dict[str, Any]:
        return {
            name: check_kind(kind, name, make(model, name, made[kind][name], rows[name], run))
            for name, make in classes[kind].items()
        }

    return (
        each("provider", compiled.provider_assets),
        each("owner", compiled.owner_arcs),
        each("region", compiled.region_nodes),
    )
