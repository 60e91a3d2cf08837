"""Correlated noise on demand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenflow_sim.numeric import Floats

if TYPE_CHECKING:
    from tokenflow_sim.scenario.demand import Noise


class DemandNoise:
    r"""Multipliers on expected demand: log-normal with mean one, autoregressive in time.

    Parameters
    ----------
    spec : Noise or None
        The scenario's `demand.noise`; None means no noise.
    nodes, workloads : sequence of str
        Rows and columns of the multipliers.
    hours : float
        Length of a period, since persistence is given per hour.

    Notes
    -----
    Each node's factor is :math:`z_{nt} = \sqrt{c}\,u_t + \sqrt{1-c}\,v_{nt}`, with :math:`c` the common share of
    the variance and :math:`u, v` stationary AR(1) processes of unit variance and coefficient
    :math:`\varphi^{hours}`. The multiplier of class k is :math:`\exp(\sigma_k z_{nt} - \sigma_k^2/2)`, whose mean
    is one. Every step takes one draw from each generator, whatever the spec's numbers, so that changing a number
    does not shift the streams. The first step draws from the stationary distribution.
    """

    def __init__(
        self, spec: Noise | None, nodes: Sequence[str], workloads: Sequence[str], hours: float = 1.0
    ) -> None:
        self.nodes = tuple(nodes)
        self.workloads = tuple(workloads)
        self._spec = spec
        self._persistence = 0.0 if spec is None else float(spec.persistence**hours)
        volatility = [0.0 if spec is None else spec.volatility.get(name, 0.0) for name in workloads]
        self._volatility = np.array(volatility)
        self._common: float | Floats | None = None
        self._own = np.zeros(len(self.nodes))
        self._ones = np.ones((len(self.nodes), len(self.workloads)))
        self._ones.setflags(write=False)

    def step(self, common: np.random.Generator, own: Sequence[np.random.Generator]) -> Floats:
        """Move on by one period.

        Parameters
        ----------
        common : Generator
            Stream of the factor that all nodes share.
        own : sequence of Generator
            Stream of each node's own factor; one generator may stand for several nodes.

        Returns
        -------
        ndarray
            Multipliers, dims (node, workload).

        Raises
        ------
        ValueError
            If there is not one generator for each node.
        """
        if self._spec is None:
            return self._ones
        return self.advance(*self.draw(common, own))

    def draw(self, common: np.random.Generator, own: Sequence[np.random.Generator]) -> tuple[float, Floats]:
        """Draw the standard normal numbers that `advance` takes for a period; parameters and errors as of `step`."""
        if len(own) != len(self.nodes):
            raise ValueError(f"needs one generator for each of {len(self.nodes)} nodes; found {len(own)}")
        shock = float(common.standard_normal())
        return shock, np.array([stream.standard_normal() for stream in own])

    def advance(self, shock: float | Floats, shocks: Floats) -> Floats:
        """Move on by one period with what was drawn for it.

        Parameters
        ----------
        shock : float or ndarray
            Standard normal number of the factor that all nodes share; of several markets, dims (market, 1).
        shocks : ndarray
            Those of each node's own factor, dims (node,), or (market, node).

        Returns
        -------
        ndarray
            Multipliers, dims (node, workload), the nodes of one market before those of the next.
        """
        assert self._spec is not None, "without noise nothing is drawn"
        if self._common is None:
            self._common, self._own = shock, shocks
        else:
            keep, fresh = self._persistence, float(np.sqrt(1 - self._persistence**2))
            self._common = keep * self._common + fresh * shock
            self._own = keep * self._own + fresh * shocks
        share = self._spec.common
        factor = np.sqrt(share) * self._common + np.sqrt(1 - share) * self._own
        return np.asarray(np.exp(np.outer(factor, self._volatility) - self._volatility**2 / 2))

    def state(self) -> dict[str, Any]:
        """Return where the processes stand, as plain values."""
        return {"common": self._common, "own": self._own.tolist()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to where `state` was taken."""
        self._common = state["common"]
        self._own = np.array(state["own"], dtype=float)
