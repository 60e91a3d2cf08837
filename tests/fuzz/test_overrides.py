"""Hostile ``--set``: any path and any value end in a sound scenario or in one clear error."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.hostile import VALUES, WORDS, answer, folder_of, play
from tests.oracle.effort import effort
from tokenflow_sim.cli.options import parse_overrides
from tokenflow_sim.scenario import Scenario, load_scenario

PATHS = (
    "periods", "hours", "name", "start", "description", "format", "market", "market.bandwidth", "market.must_serve",
    "market.opex_adder", "market.shared_power", "demand", "demand.scale", "demand.noise", "demand.noise.persistence",
    "demand.hourly", "demand.hourly.chat", "demand.hourly.chat[3]", "workloads.chat", "workloads.chat.value",
    "workloads.batch.latency_limit", "nodes", "nodes.east", "nodes.west.power_mw", "nodes.middle.latitude",
    "network.capacity", "network.arcs", "network.arcs.east->west.capacity", "network.max_distance", "network.tier1",
    "electricity.series", "electricity.series[1].east", "hardware.new.energy.chat", "providers", "providers.atlas",
    "providers.atlas.strategy", "providers.atlas.strategy.name", "providers.atlas.strategy.markup",
    "providers.atlas.assets", "providers.atlas.assets[0]", "providers.atlas.assets[1].share",
    "providers.borea.assets[0].power_mw", "owners.wire.owns", "regions.coast.nodes", "regions.inland.strategy.name",
    "outages", "outages[0].first", "outages[9]", "a.b.c", "", ".", "[0]", "..", "periods.x", "__class__.__init__",
)  # fmt: skip


@cache
def prey() -> Scenario:
    with folder_of({}) as folder:
        return load_scenario(Path(folder))


@effort(150)
@given(st.lists(st.tuples(st.sampled_from(PATHS), st.sampled_from(VALUES)), min_size=1, max_size=3))
def test_values_from_python(changes: list[tuple[str, Any]]) -> None:
    before = prey().to_yaml()
    changed = answer(lambda: prey().override(dict(changes)))
    assert prey().to_yaml() == before
    if changed is not None:
        answer(lambda: play(changed))


@effort(125)
@given(
    st.lists(
        st.builds(
            lambda path, equals, word, tail: f"{path}{equals}{word}{tail}",
            st.sampled_from(PATHS), st.sampled_from(("=", "=", "=", "==", " = ", "")),
            st.sampled_from([*WORDS, *map(str, VALUES)]), st.sampled_from(["", "", *WORDS]),
        ),
        min_size=1, max_size=3,
    )
)  # fmt: skip
def test_text_from_the_command_line(assignments: list[str]) -> None:
    changed = answer(lambda: prey().override(parse_overrides(assignments)))
    if changed is not None:
        answer(lambda: play(changed))
