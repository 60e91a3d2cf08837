"""Which buses hang together, and the short independent cycles of their lines."""

from __future__ import annotations

from collections import deque

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from tokenflow_sim.numeric import Floats, Ints


def components(buses: int, from_bus: Ints, to_bus: Ints) -> Ints:
    """Return the number of the component that each bus is part of, dims (bus,), counted in the order of buses.

    Parameters
    ----------
    buses : int
        How many buses there are.
    from_bus, to_bus : ndarray of int
        Ends of the lines.
    """
    joined = sparse.coo_array((np.ones(len(from_bus)), (from_bus, to_bus)), shape=(buses, buses))
    return csgraph.connected_components(joined, directed=False)[1].astype(np.int64)


def cycle_basis(buses: int, from_bus: Ints, to_bus: Ints) -> Floats:
    """Return a basis of short cycles: 1 for a line along the cycle, -1 against it, dims (cycle, line).

    Parameters
    ----------
    buses : int
        How many buses there are.
    from_bus, to_bus : ndarray of int
        Ends of the lines; parallel lines are cycles of two.

    Notes
    -----
    Any basis gives the same flows. Short cycles that share few lines give rows with few entries, so the shortest cycle
    through each line is a candidate, as are the cycles that the lines outside of a breadth-first tree close, which
    always complete the basis. Candidates are taken shortest first as long as they are independent modulo 2, and so
    over the numbers. A basis of least total length (Horton 1987) would try a cycle for each pair of bus and line.
    """
    near: list[list[tuple[int, int]]] = [[] for _ in range(buses)]
    ends = list(zip(from_bus.tolist(), to_bus.tolist(), strict=True))
    for line, (start, end) in enumerate(ends):
        near[start].append((line, end))
        near[end].append((line, start))
    count = len(ends) - buses + len(np.unique(components(buses, from_bus, to_bus)))
    if count == 0:
        return np.zeros((0, len(ends)))
    tree = _tree(buses, near)
    candidates = []
    for line, (start, end) in enumerate(ends):
        path = _path(near, end, start, line)
        if path is not None:
            candidates.append([line, *path])
        if line not in tree:
            path = _path(near, end, start, line, tree)
            candidates.append([line, *(path or [])])
    candidates.sort(key=len)
    pivots: dict[int, int] = {}
    cycles = np.zeros((count, len(ends)))
    found = 0
    for candidate in candidates:
        left = sum(1 << line for line in candidate)
        while left and (top := left.bit_length()) in pivots:
            left ^= pivots[top]
        if not left:
            continue
        pivots[left.bit_length()] = left
        at = ends[candidate[0]][0]
        for line in candidate:
            along = ends[line][0] == at
            cycles[found, line] = 1.0 if along else -1.0
            at = ends[line][1] if along else ends[line][0]
        found += 1
        if found == count:
            break
    return cycles


def _tree(buses: int, near: list[list[tuple[int, int]]]) -> set[int]:
    """Return the lines of a breadth-first tree of every component."""
    seen, tree = [False] * buses, set()
    for root in range(buses):
        if seen[root]:
            continue
        seen[root], queue = True, deque([root])
        while queue:
            for line, end in near[queue.popleft()]:
                if not seen[end]:
                    seen[end] = True
                    tree.add(line)
                    queue.append(end)
    return tree


def _path(
    near: list[list[tuple[int, int]]], start: int, end: int, without: int, only: set[int] | None = None
) -> list[int] | None:
    """Return the lines of a shortest path, in its order, that avoids one line; None where there is none."""
    if start == end:
        return []
    reached: dict[int, tuple[int, int]] = {start: (-1, -1)}
    queue = deque([start])
    while queue:
        bus = queue.popleft()
        for line, other in near[bus]:
            if other in reached or line == without or (only is not None and line not in only):
                continue
            reached[other] = (line, bus)
            if other == end:
                path = []
                while other != start:
                    line, other = reached[other]
                    path.append(line)
                return path[::-1]
            queue.append(other)
    return None
