"""How many arcs a scenario may make: what would not fit into memory is refused before it is made."""

from __future__ import annotations

from tokenflow_sim.scenario.links import count_links
from tokenflow_sim.scenario.places import Found
from tokenflow_sim.scenario.schema import ScenarioFields

MAX_PAIRS = 400_000_000
MAX_ENTRIES = 20_000_000
"""Most flows (arcs times classes) that a market may have."""
BYTES_AN_ENTRY = 1000
"""Memory of a flow, roughly: data, linopy's labels, and two of the solver's copies."""


def find_size_faults(scenario: ScenarioFields) -> list[Found]:
    """Find whether the arcs by rule cannot be found or held."""
    network, count = scenario.network, len(scenario.nodes)
    ruled = network.max_distance is not None or network.tier1 is not None
    if ruled and count**2 > MAX_PAIRS:
        return [(("network",), f"would compare {count**2:.3g} pairs of nodes; give a table of arcs instead")]
    classes = len(scenario.workloads)
    most = MAX_ENTRIES // classes
    links = count_links(scenario, most)
    if links <= most:
        return []
    gigabytes = links * classes * BYTES_AN_ENTRY / 2**30
    message = (
        f"makes {links} arcs or more for {classes} classes, which would take {gigabytes:.0f} GiB to clear;"
        f" at most {most} arcs are taken"
    )
    return [(("network",), message)]
