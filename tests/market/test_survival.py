"""Losses that are seen to be survived in place, against programs after each loss."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import tokenflow_sim as tf
from tests.market.secured import ARCS, random_market
from tokenflow_sim.market.contingency import ContingencyProgram
from tokenflow_sim.market.losses import Security


@pytest.mark.parametrize("power", [False, True])
def test_what_is_seen_to_be_survived_is(power: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = np.array([[1, 1, 0, 0], [0, 0, 1, 1]])
    runs = {True: 0, False: 0}
    for seed, load in ((seed, load) for seed in range(6) for load in (0.4, 0.6, 0.8)):
        market = random_market(seed, power=power, load=load)
        assets = len(market.layout.assets)
        security = Security(
            labels=tuple(map(str, range(assets + 2))),
            assets=np.vstack([np.eye(assets), np.zeros((2, assets))]),
            arcs=np.vstack([np.zeros((assets, ARCS)), pairs]),
            response=1.0 if seed % 2 else 0.5,
        )
        values = tf.clear(market).values
        schedule = values.dispatch.sum(axis=2), values.flow
        shortages = []
        for quick in (True, False):
            program = ContingencyProgram(market)
            if not quick:
                monkeypatch.setattr(program, "_in_place", False)
            run = program._solver.run

            def counted(quick: bool = quick, run: Callable[[], bool] = run) -> bool:
                runs[quick] += 1
                return run()

            monkeypatch.setattr(program._solver, "run", counted)
            shortages.append(
                {cut.number for cut in program.violated(market, security, *schedule, tolerance=1e-8)}
            )
        assert shortages[0] == shortages[1]
    # Many losses need no program.
    assert runs[True] < 0.9 * runs[False]
