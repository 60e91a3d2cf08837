"""Work that waits: a queue by deadline for each node and class, with nothing lost between its parts."""

from __future__ import annotations

import numpy as np

from tokenflow_sim.strategies.base import Floats


class Backlog:
    """Work that waits, by the periods it can still wait.

    Parameters
    ----------
    periods : int
        Most periods in which work may be served, the one it arrives in included; at least 1.
    nodes, workloads : int
        Numbers of nodes and classes.
    keeps_overdue : bool
        Whether work past its deadline stays; if not, it is lost.

    Attributes
    ----------
    waiting : ndarray
        Work in Mtok by the number of periods that it could still wait after this one, dims (slack, node, workload);
        at slack zero it is due now (or overdue).
    lost : ndarray
        Work lost at the end of the last period in Mtok, dims (node, workload).

    Notes
    -----
    Over any span of periods, ``arrived = served + lost + (waiting at its end - waiting at its start)``.
    """

    def __init__(self, periods: int, nodes: int, workloads: int, keeps_overdue: bool = False) -> None:
        self.waiting = np.zeros((periods, nodes, workloads))
        self.lost = np.zeros((nodes, workloads))
        self.keeps_overdue = keeps_overdue

    @property
    def total(self) -> Floats:
        """All work that waits in Mtok, dims (node, workload)."""
        total: Floats = self.waiting.sum(axis=0)
        return total

    def arrive(self, work: Floats) -> None:
        """Add work that may wait longest, in Mtok, dims (node, workload)."""
        self.waiting[-1] += work

    def serve(self, first: int, last: int, work: Floats) -> None:
        """Take out served work, the earliest deadline first.

        Parameters
        ----------
        first, last : int
            Least and largest slack of the work that was bid.
        work : ndarray
            What was served of it in Mtok, dims (node, workload).
        """
        left = np.maximum(work, 0.0)
        for slack in range(first, last + 1):
            taken = np.minimum(left, self.waiting[slack])
            self.waiting[slack] -= taken
            left -= taken

    def age(self) -> None:
        """End the period: what was due is lost or overdue, all else is a period closer to its deadline."""
        due = self.waiting[0].copy()
        self.waiting[:-1] = self.waiting[1:]
        self.waiting[-1] = 0.0
        self.lost = np.zeros_like(due)
        if self.keeps_overdue:
            self.waiting[0] += due
        else:
            self.lost = due
