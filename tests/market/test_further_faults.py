"""What no market can have of limits and activities: one line for each fault."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import tokenflow_sim as tf
from tests.market.test_activity import PLAIN, two_buses
from tokenflow_sim.market.limits import Supply, Term

GRID = two_buses(80.0, 200.0).arrays
GENERATION, LINE = GRID.activities
BALANCE = GRID.limits[0]


def faults_of(**changes: Any) -> list[str]:
    with pytest.raises(tf.MarketError) as caught:
        tf.Market.from_arrays(PLAIN.layout, GRID.with_(**changes))
    return [str(fault) for fault in caught.value.faults]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"price": np.ones((3, 1))}, ".price: shape (3, 1) where (2, 1) (generator, tranche) is needed"),
        ({"price": np.array([[np.nan], [1.0]])}, ".price: must be finite; found nan at 'gas'"),
        ({"most": np.array([[1.0], [np.nan]])}, ".most: must be a number, or infinite; found nan at 'coal'"),
        ({"least": np.array([[-np.inf], [0.0]])}, ".least: must be finite; found -inf at 'gas'"),
        (
            {"least": np.full((2, 1), 500.0)},
            ".most: must not be below the least; found 400 at 'gas' and 1 more",
        ),
        ({"labels": ("gas", "gas")}, ": has the label 'gas' twice"),
    ],
)
def test_impossible_activities(change: dict[str, Any], told: str) -> None:
    faults = faults_of(activities=(replace(GENERATION, **change), LINE))
    assert len(faults) == 1
    assert faults[0].startswith("activities['generation']")
    assert told in faults[0]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"capacity": np.zeros(3)}, ".capacity: shape (3,) where (2,) (bus) is needed"),
        (
            {"capacity": np.array([0.0, np.inf])},
            ".capacity: must be finite, of an equality; found inf at 'S'",
        ),
        ({"supply": Supply(np.ones((2, 1)), np.ones((2, 1)))}, ".supply: an equality has no supply"),
        (
            {"terms": (Term("storage", np.ones(2)),)},
            ".terms[0]: is on 'storage', which the market does not have",
        ),
        ({"terms": (Term("line_flow", np.ones(2)),)}, ".terms[0].use: shape (2,) where (1,) is needed"),
        (
            {"terms": (Term("line_flow", np.ones(1)),)},
            ".terms[0].member: is missing: 'line_flow' has 1 labels",
        ),
        (
            {"terms": (Term("line_flow", np.ones(1), np.array([2])),)},
            ".terms[0].member: must be -1 for none, or from 0 to 1; found 2",
        ),
        (
            {"terms": (Term("generation", np.array([np.nan, 1.0])),)},
            ".terms[0].use: must be finite; found nan",
        ),
    ],
)
def test_impossible_limits(change: dict[str, Any], told: str) -> None:
    faults = faults_of(limits=(replace(BALANCE, **change),))
    assert len(faults) == 1
    assert faults[0].startswith("limits['bus_balance']")
    assert told in faults[0]


def test_names_used_twice_and_names_of_the_market_itself() -> None:
    assert faults_of(limits=(BALANCE, BALANCE), activities=(GENERATION, GENERATION, LINE)) == [
        "activities: two of them are called 'generation'",
        "limits: two of them are called 'bus_balance'",
        "limits: two rents are called 'bus_price'",
    ]
    assert faults_of(activities=(GENERATION, LINE, replace(LINE, name="flow"))) == [
        "activities: the market has something called 'flow' already"
    ]
    assert faults_of(limits=(replace(BALANCE, rent="power_rent"),)) == [
        "limits: the market has a rent called 'power_rent' already"
    ]
