"""Quantities are made where that costs least."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linprog

from tokenflow_sim.strategies.filling import cheapest_first, fill


def test_cheapest_capacity_is_used_first_and_equal_costs_share() -> None:
    cost, capacity = np.array([4.0, 1.0, 1.0, 9.0]), np.array([10.0, 1.0, 2.0, 5.0])
    np.testing.assert_allclose(cheapest_first(cost, capacity, 1.5), [0, 0.5, 1.0, 0])
    np.testing.assert_allclose(cheapest_first(cost, capacity, 5.0), [2.0, 1.0, 2.0, 0])
    np.testing.assert_allclose(cheapest_first(cost, capacity, 99.0), capacity)
    np.testing.assert_allclose(cheapest_first(cost, capacity, 0.0), 0.0)


def test_shared_power_is_respected_at_least_total_cost() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        cost, capacity = rng.uniform(1, 5, (3, 2, 1)), rng.uniform(1, 2, (3, 2, 1))
        use, limit = rng.uniform(0.5, 1.5, (3, 2)), rng.uniform(1, 2, 3)
        rows = np.arange(3)
        wanted = rng.uniform(0.3, 1.0, 2)
        made = fill(cost, capacity, [(rows, 0), (rows, 1)], wanted, use, limit)[:, :, 0]
        assert (made <= capacity[:, :, 0] + 1e-12).all()
        assert ((use * made).sum(axis=1) <= limit + 1e-9).all()
        np.testing.assert_allclose(made.sum(axis=0), wanted, rtol=1e-9)
        # The same program written down directly, by interior points.
        best = linprog(
            cost[:, :, 0].ravel(),
            A_ub=np.kron(np.eye(3), np.ones(2)) * use.ravel(),
            b_ub=limit,
            A_eq=np.tile(np.eye(2), 3),
            b_eq=wanted,
            bounds=list(zip(np.zeros(6), capacity.ravel(), strict=True)),
            method="highs-ipm",
        )
        np.testing.assert_allclose((cost[:, :, 0] * made).sum(), best.fun, rtol=1e-7)


def test_what_shared_power_does_not_let_one_make_is_left_out() -> None:
    one = np.ones((1, 2, 1))
    made = fill(
        one,
        5 * one,
        [(np.array([0]), 0), (np.array([0]), 1)],
        np.array([4.0, 3.0]),
        np.ones((1, 2)),
        np.array([5.0]),
    )
    np.testing.assert_allclose(made.sum(), 5.0)
