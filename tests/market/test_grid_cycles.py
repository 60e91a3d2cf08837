"""Cycles of random graphs, against networkx and linear algebra."""

from __future__ import annotations

import numpy as np
import pytest

from tokenflow_sim.market.grid_cycles import components, cycle_basis

nx = pytest.importorskip("networkx")


@pytest.mark.parametrize("seed", range(8))
def test_a_basis_of_short_cycles(seed: int) -> None:
    rng = np.random.default_rng(seed)
    buses, lines = int(rng.integers(1, 30)), int(rng.integers(0, 60))
    if buses == 1:
        lines = 0
    start = rng.integers(0, buses, lines)
    end = (start + rng.integers(1, max(buses, 2), lines)) % buses
    graph = nx.MultiGraph()
    graph.add_nodes_from(range(buses))
    graph.add_edges_from(zip(start.tolist(), end.tolist(), strict=True))
    part = components(buses, start, end)
    assert part.max() + 1 == nx.number_connected_components(graph)
    cycles = cycle_basis(buses, start, end)
    assert len(cycles) == lines - buses + nx.number_connected_components(graph)
    incidence = np.zeros((buses, lines))
    np.add.at(incidence, (start, np.arange(lines)), 1.0)
    np.add.at(incidence, (end, np.arange(lines)), -1.0)
    assert not (incidence @ cycles.T).any()  # what goes round leaves every bus again
    assert np.linalg.matrix_rank(cycles) == len(cycles) if len(cycles) else True
    if lines and nx.number_of_selfloops(graph) == 0:
        plain = nx.Graph(graph)
        least = sum(map(len, nx.minimum_cycle_basis(plain))) + 2 * (lines - plain.number_of_edges())
        assert np.abs(cycles).sum() <= 1.25 * least
