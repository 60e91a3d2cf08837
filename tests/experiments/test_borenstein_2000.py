"""A line between two monopolies, against a plain program and closed forms."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tokenflow_sim.study.affine import affine_market
from tokenflow_sim.study.anticipated import anticipated_outputs

SCRIPT: dict[str, Any] = runpy.run_path(str(Path(__file__).parents[2] / "experiments" / "borenstein_2000.py"))


@pytest.mark.parametrize(("k", "rival"), [(0.3, 5.0), (0.3, 9.0), (1.5, 6.5)])
def test_best_responses_are_those_of_a_plain_program(k: float, rival: float) -> None:
    assert SCRIPT["reply"](k, rival) == pytest.approx(SCRIPT["plain_reply"](k, rival), abs=5e-4)


def test_a_line_just_too_thin_for_the_duopoly_is_found_out() -> None:
    """Holding back pays by 0.04 % there, between two points of the grid of quantities and not at them."""
    k, duopoly = SCRIPT["THRESHOLD"] - 0.002, SCRIPT["DUOPOLY"]
    assert SCRIPT["reply"](k, duopoly) == pytest.approx((10 - k) / 2, abs=1e-3)
    assert SCRIPT["reply"](k + 0.004, duopoly) == pytest.approx(duopoly, abs=1e-6)


def test_more_than_customers_take_at_any_price_is_left_for_an_equilibrium() -> None:
    market = SCRIPT["market"](0.5, 5.0)
    affine = affine_market(market, None, None, what="the test")
    found = anticipated_outputs(affine, [np.array([[7.5], [7.5]])])
    assert found.converged
    np.testing.assert_allclose(found.dispatch.ravel(), [4.75, 2.75], atol=1e-5)


def test_the_mixed_equilibrium_lies_between_monopoly_and_duopoly() -> None:
    found = SCRIPT["mixed"](0.3, np.linspace(4.5, 7.0, 5))
    assert float(found.exploitability) < 1e-6
    assert 10 / 3 < float(found.price.mean()) < 5.0
