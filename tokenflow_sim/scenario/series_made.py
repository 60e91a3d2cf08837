"""Numbers by time, row name and column -> the series of a scenario's nodes and classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tokenflow_sim.numeric import Floats
from tokenflow_sim.scenario.series import NodeSeries, PeriodSeries, Series, listed
from tokenflow_sim.scenario.series_names import Targets


def made(
    cube: Floats,
    targets: Targets,
    edges: NDArray[np.int64] | None,
    by_node: bool,
    source: str,
    told: Sequence[str],
) -> Series:
    """Return the series that the numbers of a file are.

    Parameters
    ----------
    cube : ndarray
        Dims (step, series of the file, column).
    targets : dict
        Where the numbers of each node (and class) stand.
    edges : ndarray or None
        Begin of each step and the end of the last, in ns since 1970 in UTC; None for a table by period.
    by_node : bool
        Whether it has a number for each node and class, not for each node alone.
    source : str
        What messages call the file.
    told : sequence of str
        What was read and assumed so far.
    """
    notes = list(told)
    spots = np.array(list(targets.values()))
    if not by_node:
        names = [name for (name,) in targets]
        return PeriodSeries(names, cube[:, spots[:, 0], spots[:, 1]], edges, source, notes)
    nodes = list(dict.fromkeys(node for node, _ in targets))
    classes = list(dict.fromkeys(name for _, name in targets))
    values = np.zeros((len(cube), len(nodes), len(classes)))
    rows = [nodes.index(node) for node, _ in targets]
    columns = [classes.index(name) for _, name in targets]
    values[:, rows, columns] = cube[:, spots[:, 0], spots[:, 1]]
    lacking = [f"{name} at {node}" for node in nodes for name in classes if (node, name) not in targets]
    if lacking:
        notes.append(f"no demand of {listed(lacking)}")
    return NodeSeries(nodes, classes, values, edges, source, notes)
