"""What is solved is what linopy labels, and it is built once for each structure."""

from __future__ import annotations

import numpy as np
import pytest

import tokenflow_sim as tf
from tests.market.small import small
from tokenflow_sim.market import labelled
from tokenflow_sim.market.limits import SharedCapacity, Term
from tokenflow_sim.market.program import Program

PLAIN = {"assets": [("west", 1.0, 5.0), ("east", 3.0, 5.0)], "demand": [2.0, 4.0]}


def test_one_structure_is_labelled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[tf.Market] = []
    labelled._compared.clear()
    build = labelled.linopy_model
    monkeypatch.setattr(labelled, "linopy_model", lambda one, **how: built.append(one) or build(one, **how))
    first = small(**PLAIN)
    tf.clear(first)
    tf.clear(first.replace(demand=first.demand * 0.5))
    assert len(built) == 1
    tf.clear(small(**PLAIN, arcs=[("east", "west", 1.0)]))
    assert len(built) == 2


def test_a_program_that_is_not_the_labelled_one_is_refused() -> None:
    labelled._compared.clear()
    market = small(**PLAIN)
    program = Program(market)
    wrong = program.matrix.copy()
    wrong.data[0] = np.nextafter(wrong.data[0], 2)
    program.__dict__["matrix"] = wrong
    with pytest.raises(tf.CertificateError, match="differs from the one that would be solved"):
        labelled.check_labelled(market, program)


def test_terms_that_add_up_in_another_order_are_the_same_program() -> None:
    market = tf.load_scenario("us5").market()
    node = market.layout.asset_node
    draws = np.random.default_rng(84).uniform(0.1, 3.0, (40, *market.arrays.capacity.shape[:2]))
    limit = {"name": "site", "rent": "site_rent", "dim": "node", "capacity": np.full(5, 1e6)}
    for first, second, third in zip(draws[::3], draws[1::3], draws[2::3], strict=False):
        terms = tuple(Term("dispatch", use, node) for use in (first, second, -third))
        arrays = market.arrays.with_(limits=(SharedCapacity(**limit, terms=terms),))
        limited = tf.Market.from_arrays(market.layout, arrays, market.hours)
        assert tf.clear(limited).certificate.worst < 1e-9
