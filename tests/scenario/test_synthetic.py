from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from tokenflow_sim.errors import ScenarioError
from tokenflow_sim.market import clear
from tokenflow_sim.scenario import Scenario, load_scenario, write_synthetic


def made(folder: Path, nodes: int, arcs: int, seed: int = 1) -> Scenario:
    return load_scenario(write_synthetic(folder, nodes=nodes, arcs=arcs, seed=seed))


@pytest.mark.parametrize(("nodes", "arcs"), [(2, 2), (3, 5), (7, 42), (40, 78), (60, 601)])
def test_sizes_are_those_asked_for_and_all_hubs_connect(nodes: int, arcs: int, tmp_path: Path) -> None:
    layout = made(tmp_path / "s", nodes, arcs).compiled.layout
    assert layout.sizes["node"] == nodes
    assert layout.sizes["arc"] == arcs
    graph = csr_array((np.ones(arcs), (layout.origin, layout.destination)), shape=(nodes, nodes))
    assert connected_components(graph, directed=False)[0] == 1


def test_the_same_numbers_give_the_same_files_and_another_seed_others(tmp_path: Path) -> None:
    def texts(folder: str, seed: int) -> dict[str, str]:
        path = write_synthetic(tmp_path / folder / "s", nodes=12, arcs=60, seed=seed)
        return {file.name: file.read_text() for file in path.parent.iterdir()}

    first = texts("a", 3)
    assert texts("b", 3) == first
    assert texts("c", 4)["nodes.csv"] != first["nodes.csv"]


def test_a_day_clears_sanely(tmp_path: Path) -> None:
    scenario = made(tmp_path / "s", 50, 500)
    used, congested = [], 0
    for period in range(0, 24, 4):
        market = scenario.market(period)
        clearing = clear(market)
        arrays, values = market.arrays, clearing.values
        assert arrays.power_use is not None
        assert arrays.power_limit is not None
        used.append((arrays.power_use * values.dispatch.sum(axis=2)).sum() / arrays.power_limit.sum())
        congested += int((values.congestion_rent > 1e-6).sum())
        assert values.unserved.sum() < 0.1 * arrays.demand.sum()  # only batch, at the peak
    assert 0.3 < np.mean(used) < 0.95
    assert congested > 0


def test_numbers_that_do_not_fit_are_told_together(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError) as caught:
        write_synthetic(tmp_path / "s", nodes=10, arcs=5, seed=-1)
    assert len(caught.value.faults) == 2
    assert "18" in str(caught.value)
    assert "90" in str(caught.value)
    assert not (tmp_path / "s").exists()
    with pytest.raises(ScenarioError, match="2 to 5000"):
        write_synthetic(tmp_path / "s", nodes=1, arcs=0)
