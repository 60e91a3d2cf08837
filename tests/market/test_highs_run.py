"""Clearings and others who run HiGHS in one process leave each other the threads that they ask for."""

from __future__ import annotations

from typing import Any

import highspy
import linopy
import numpy as np
import pypsa
import pytest

import tokenflow_sim as tf
from tests.market.small import array, small
from tokenflow_sim.market.highs_run import DUAL, PRIMAL, Pace

ARCS = [("west", "east", 3.0), ("east", "west", 3.0)]


def market(slope: float = 0.0) -> tf.Market:
    """Too much network for a merit order: HiGHS solves it."""
    made = small(assets=[("west", 1.0, 20.0), ("east", 4.0, 20.0)], demand=[4.0, 9.0], value=30.0, arcs=ARCS)
    rises = array(np.full((2, 1), slope), asset=made.layout.assets, workload=["chat"])
    return made.replace(offer_slope=rises) if slope else made


def by_linopy(**options: Any) -> str:
    """Solve a small program with a whole number in it."""
    model = linopy.Model()
    x = model.add_variables(lower=0, upper=4, integer=True, name="x")
    y = model.add_variables(lower=0, name="y")
    model.add_constraints(2 * x + y >= 3.5)
    model.add_objective(x + y)
    return str(model.solve("highs", io_api="direct", output_flag=False, **options)[0])


def by_highs(**options: Any) -> bool:
    highs = highspy.Highs()
    for name, value in {"output_flag": False, **options}.items():
        highs.setOptionValue(name, value)
    highs.addVars(1, np.array([1.0]), np.array([2.0]))
    return bool(highs.run() == highspy.HighsStatus.kOk)


@pytest.fixture(autouse=True)
def _no_pool() -> None:
    highspy.Highs.resetGlobalScheduler(True)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("slope", [0.0, 0.5])
@pytest.mark.parametrize("options", [{}, {"threads": 2}, {"threads": 2, "parallel": "on"}])
def test_any_pool_of_threads_before_and_after(options: dict[str, Any], slope: float) -> None:
    alone = tf.Clearer(market(slope)).clear(market(slope))
    assert by_highs(**options)  # after a clearing
    clearer = tf.Clearer(market(slope))
    found = clearer.clear(market(slope))
    assert by_highs(**options)
    again = clearer.clear(market(slope).replace(demand=market().demand * 1.5))
    assert again.certificate.worst < 1e-9
    np.testing.assert_array_equal(found.values.price, alone.values.price)
    np.testing.assert_array_equal(found.values.dispatch, alone.values.dispatch)


@pytest.mark.filterwarnings("ignore::FutureWarning:pypsa", "ignore:The default value of `include_objective")
def test_models_of_linopy_and_pypsa_before_and_after() -> None:
    assert by_linopy(threads=2) == "ok"
    first = tf.clear(market())
    assert by_linopy(threads=2, parallel="on") == "ok"
    network = pypsa.Network()
    network.add("Bus", "here")
    network.add("Generator", "one", bus="here", p_nom=3.0, marginal_cost=2.0)
    network.add("Load", "all", bus="here", p_set=2.0)
    status, _ = network.optimize(solver_name="highs", solver_options={"output_flag": False, "threads": 2})
    assert status == "ok"
    np.testing.assert_array_equal(tf.Clearer(market()).clear(market()).values.price, first.values.price)
    assert by_linopy() == "ok"


def test_the_algorithm_of_fewer_iterations_is_used_and_the_other_tried_again() -> None:
    pace, chosen, took = Pace(), [], {PRIMAL: 100, DUAL: 40}
    for solve in range(128):
        chosen.append(pace.choose())
        pace.took(chosen[-1], took[chosen[-1]])
        if solve == 63:
            took = {PRIMAL: 10, DUAL: 40}
    assert chosen[:2] == [PRIMAL, DUAL]
    assert chosen[2:64].count(PRIMAL) == 2
    assert chosen[-1] == PRIMAL
