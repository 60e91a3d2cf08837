"""A grid as plain arrays: what it copies and keeps, and every fault that it can have."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from tokenflow_sim.market.grid import NO_BUS, Grid
from tokenflow_sim.market.grid_faults import find_grid_faults


def small(**changes: Any) -> Grid:
    """Three buses in a ring, gas in the west, coal in the east, load in the south."""
    given: dict[str, Any] = {
        "buses": ["west", "east", "south"],
        "load": [0.0, 0.0, 90.0],
        "lines": ["we", "es", "ws"],
        "from_bus": [0, 1, 0],
        "to_bus": [1, 2, 2],
        "limit": [50.0, np.inf, 100.0],
        "generators": ["gas", "coal"],
        "generator_bus": [0, 1],
        "price": [40.0, 30.0],
        "available": [100.0, 100.0],
        "node_bus": [2],
    }
    return Grid(**(given | changes))


def test_copies_and_is_read_only_through_pickling() -> None:
    load = np.array([0.0, 0.0, 90.0])
    grid = small(load=load)
    load[2] = 1.0
    for one in (grid, pickle.loads(pickle.dumps(grid))):
        assert one.load.tolist() == [0, 0, 90]
        assert one.least.tolist() == [-50, -np.inf, -100]
        assert not any(value.flags.writeable for value in vars(one).values() if isinstance(value, np.ndarray))
    assert find_grid_faults(grid) == []


def test_new_numbers_keep_what_follows_from_the_structure() -> None:
    grid = small()
    cycles = grid.cycles
    assert grid.with_(load=[1.0, 1.0, 1.0]).cycles is cycles
    assert grid.with_(limit=[10.0, 20.0, 30.0]).least.tolist() == [-10, -20, -30]
    out = grid.without_lines(["we"])
    assert out.lines == ("es", "ws")
    assert out.cycles.shape == (0, 2)
    with pytest.raises(KeyError, match="known lines: we, es, ws"):
        grid.without_lines(["no"])


@pytest.mark.parametrize(
    ("changes", "place", "text"),
    [
        ({"load": [0.0, np.nan, 1.0]}, "load", "nan of east"),
        ({"load": [0.0, 1.0]}, "load", "shape (2,) where (3,)"),
        ({"buses": ["west", "west", "south"]}, "buses", "west more than once"),
        ({"from_bus": [0, 1, 7]}, "from_bus", "ws (7); there are 3"),
        ({"to_bus": [1, 2, 0]}, "to_bus", "another bus than from_bus"),
        ({"limit": [-1.0, 5.0, 100.0]}, "limit", "not be negative (MW); found -1 of we"),
        ({"least": [60.0, 0.0, 0.0]}, "least", "up to the limit (MW); found 60 of we"),
        ({"susceptance": [1.0, -2.0, 1.0]}, "susceptance", "positive and finite for a dc line; found -2 of es"),
        ({"susceptance": [0.0, 2.0, 1.0]}, "susceptance", "found 0 of we"),
        ({"kind": ["dc", "dc", "ac"]}, "kind", "'ac' of ws"),
        ({"efficiency": [1.0, 1.0, 0.9]}, "efficiency", "losses are those of transport lines"),
        ({"efficiency": [1.0, 1.0, 0.9], "kind": ["dc", "dc", "transport"], "least": [0, 0, -9.0]}, "efficiency",
         "one line for each direction"),
        ({"line_cost": [-1.0, 0.0, 0.0]}, "line_cost", "-1 of we"),
        ({"limit": [np.inf, np.inf, 1.0], "kind": ["transport", "dc", "dc"]}, "limit", "power could go round"),
        ({"generator_bus": [0, 3]}, "generator_bus", "coal (3); there are 3"),
        ({"available": [100.0, -1.0]}, "available", "-1 of coal"),
        ({"minimum": [0.0, 120.0]}, "minimum", "coal (120 of 100 MW)"),
        ({"node_bus": [5]}, "node_bus", "node 0 (5)"),
        ({"limit": [50.0, 0.0, 0.0]}, "load", "the island of south has a load of 90 MW and no supply"),
        ({"load": [0.0, 0.0, 900.0]}, "load", "load of 900 MW and supply of 200 MW"),
        ({"minimum": [50.0, 50.0], "node_bus": [NO_BUS]}, "minimum", "100 MW must be generated there"),
    ],
)  # fmt: skip
def test_says_what_is_wrong(changes: dict[str, Any], place: str, text: str) -> None:
    (fault,) = find_grid_faults(small(**changes))
    assert fault.place == place
    assert text in fault.message


def test_reports_all_faults_at_once() -> None:
    bad = small(limit=[-1.0, 2.0, 3.0], susceptance=[1.0, -2.0, 1.0], node_bus=[9], price=[np.inf, 1.0])
    assert {fault.place for fault in find_grid_faults(bad)} == {"limit", "susceptance", "node_bus", "price"}
