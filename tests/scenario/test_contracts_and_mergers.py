"""Contracts, mergers and mitigation in scenario files: what is read, what is refused and where, what is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tokenflow_sim as tf
from tests.study.tiny import TEXT, tiny
from tokenflow_sim.errors import InputError, ScenarioError
from tokenflow_sim.scenario import Scenario
from tokenflow_sim.scenario.mitigation import by_class

GOOD = {"node": "east", "workload": "chat", "quantity": 1, "price": 3, "seller": "a"}


def faults_of(changes: dict[str, Any], scenario: Scenario | None = None) -> str:
    with pytest.raises(ScenarioError) as caught:
        (scenario or tiny()).override(changes)
    return str(caught.value)


def test_faults_of_contracts_come_together_one_line_each() -> None:
    contracts = {
        "c": {"node": "eas", "workload": "chatt", "quantity": -1, "price": float("inf"), "seller": "joe"},
        "d": GOOD | {"quantity": [1, float("nan"), 2]},
        "e": GOOD | {"quantity": [1, 2]},
        "f": GOOD | {"buyer": "a"},
        "g": {key: value for key, value in GOOD.items() if key != "seller"},
        "h": GOOD | {"first": 2, "last": 1},
        "i": GOOD | {"seller": "a", "byer": "b"},
        "j": GOOD | {"price": None},
    }
    text = faults_of({"contracts": contracts})
    expected = [
        "contracts.c.node: unknown node 'eas'; known nodes: east, west (did you mean 'east'?)",
        "contracts.c.workload: unknown workload 'chatt'",
        "contracts.c.quantity: must be at least 0; found -1",
        "contracts.c.price: must be finite; found inf",
        "contracts.c.seller: unknown agent 'joe'; known agents: a, b, network, east, west",
        "contracts.d.quantity[1]: must be finite; found nan",
        "contracts.e.quantity: covers periods 0 to 1, where the contract lasts to period 2",
        "contracts.f: has 'a' as seller and buyer",
        "contracts.g: needs a `seller`, a `buyer`, or both",
        "contracts.h: last is period 1, before first, 2",
        "contracts.i.byer: unknown field 'byer'",
        "contracts.j.price: must be a number; found None",
    ]
    for line in expected:
        assert line in text
    assert text.count("\n  - ") == len(expected)


def test_a_table_of_contracts_is_read_with_file_and_row(tmp_path: Path) -> None:
    rows = "contract,seller,buyer,node,workload,quantity,price\none,a,,east,chat,2,5\ntwo,,b,wet,chat,2,5\n"
    (tmp_path / "contracts.csv").write_text(rows)
    (tmp_path / "scenario.yaml").write_text(TEXT + "contracts: contracts.csv\n")
    with pytest.raises(ScenarioError, match=r"contracts.csv:3: contracts.two.node: unknown node 'wet'"):
        tf.load_scenario(tmp_path)
    (tmp_path / "contracts.csv").write_text(rows.replace("wet", "west"))
    scenario = tf.load_scenario(tmp_path)
    assert (scenario.contracts["two"].buyer, scenario.contracts["one"].quantity) == ("b", 2.0)
    frame = pd.read_csv(tmp_path / "contracts.csv", index_col="contract")
    assert tiny().override({"contracts": frame}).contracts == scenario.contracts
    changed = scenario.override({"contracts.one.quantity": "[1, 2, 3]", "contracts.one.price": 7})
    made = changed.compiled.contracts
    assert made is not None
    assert made.quantity(1).tolist() == [2.0, 2.0]
    assert made.quantity(3).tolist() == [0.0, 2.0]  # beyond the list there is no contract
    assert made.payment(0, np.array([[9.0], [4.0]])).tolist() == [(9 - 7) * 3600, (4 - 5) * 2 * 3600]
    assert Scenario.from_yaml(changed.to_yaml()) == changed


def test_parties_of_one_name_are_told_apart_by_kind() -> None:
    data = {"owners": {"east": {"owns": "rest"}}, "contracts": {"c": GOOD | {"seller": "east"}}}
    text = faults_of(data)
    assert "several agents are called 'east'; write owner:east or region:east" in text
    found = tiny().override(
        data | {"contracts": {"c": GOOD | {"seller": "owner:east", "buyer": "region:east"}}}
    )
    made = found.compiled.contracts
    assert made is not None
    assert (made.sellers[0], made.buyers[0]) == (("owner", "east"), ("region", "east"))


def test_mergers_are_refused_in_one_line_each_and_join_what_their_members_have() -> None:
    text = faults_of({"mergers": {"x": ["a", "c"], "y": ["a", "b"], "b": ["a", "c", "c"], "z": ["a"]}})
    for line in (
        "mergers.x.members: unknown provider 'c'; known providers: a, b",
        "mergers.y.members: name the provider 'a' here and in 'x'; each may be in one merger, once",
        "mergers.y.strategy: is needed, since its members play different ones: a marginal_cost, b {name: fixed_markup,"
        " markup: 0.2}",
        "mergers.b: is called as the provider 'b', which is none of its members; give it another name",
        "mergers.b.members: name the provider 'c' here and in 'x'; each may be in one merger, once",
        "mergers.z.members: needs 2 entries; found 1",
    ):
        assert line in text
    with pytest.raises(InputError, match="give a mapping of new names to lists of providers; found a list"):
        tf.merge(tiny(), ["a", "b"])  # type: ignore[arg-type]
    merged = tf.merge(tiny(), {"b": ["a", "b"]}, strategy={"name": "fixed_markup", "markup": 0.3})
    assert merged.compiled.providers == ("b",)
    assert merged.compiled.layout.assets.tolist() == tiny().compiled.layout.assets.tolist()
    assert merged.compiled.strategy_of("provider", "b") == {"name": "fixed_markup", "markup": 0.3}
    assert Scenario.from_yaml(merged.to_yaml()) == merged
    same = tf.merge(tiny().override({"providers.b.strategy": "marginal_cost"}), {"ab": ["a", "b"]})
    assert same.compiled.strategy_of("provider", "ab") == {"name": "marginal_cost"}
    # The contracts of members are those of the new firm; those between them come to nothing.
    held = same.override({"contracts": {"c": GOOD | {"buyer": "b"}, "d": GOOD}}).compiled.contracts
    assert held is not None
    assert held.side(("provider", "ab")).tolist() == [0.0, 1.0]


def test_firms_that_have_merged_merge_again() -> None:
    """One after the other is the same as all at once: owners, strategies and contracts."""
    changes: dict[str, Any] = {"providers.b.strategy": "marginal_cost", "nodes.east.power_mw": 50}
    for name in "cd":
        spec = {"node": "east", "hardware": "h", "power_mw": 1, "name": name}
        changes[f"providers.{name}"] = {"assets": [spec]}
    start = tiny().override(changes)
    once = tf.merge(start, {"t": ["a", "b", "c"]})
    for first in ({"u": ["a", "b"]}, {"a": ["a", "b"]}, {"t": ["a", "b"]}):
        (firm,) = first
        one = tf.merge(start, first).override({"contracts": {"x.y": GOOD | {"seller": firm, "buyer": "d"}}})
        for chained in (
            tf.merge(one, {"t": [firm, "c"]}),
            tf.merge(start, first | {"t": [firm, "c"]}) if firm != "t" else None,
        ):
            if chained is not None:
                assert chained.compiled.providers == once.compiled.providers == ("t", "d")
                assert chained.compiled.layout.provider == once.compiled.layout.provider
        held = tf.merge(one, {"t": [firm, "c"]}).compiled.contracts
        assert held is not None
        assert (held.sellers, held.buyers) == ((("provider", "t"),), (("provider", "d"),))
    plays = {"name": "fixed_markup", "markup": 0.3}
    led = tf.merge(start, {"u": {"members": ["a", "b"], "strategy": plays}})
    assert led.compiled.strategy_of("provider", "u") == plays
    with pytest.raises(
        InputError, match=r"t: a strategy is needed, .* u .*fixed_markup.*, c .*marginal_cost"
    ):
        tf.merge(led, {"t": ["u", "c"]})
    alike = led.override({"providers.c.strategy": plays})
    assert tf.merge(alike, {"t": ["u", "c"]}).compiled.strategy_of("provider", "t") == plays
    # A firm that would come to nothing unasked, and a chain in a file, are one line each.
    with pytest.raises(
        InputError, match=r"u: is a merged firm already, of a, b; name it among the members, or"
    ):
        tf.merge(led, {"u": ["c", "d"]})
    text = faults_of({"mergers": {"u": ["a", "b"], "t": ["u", "c"]}}, start)
    assert (
        "mergers.t.members: name 'u', which is a merger itself; name its members (a, b) in one merger" in text
    )
    assert text.count("\n") == 1


def test_a_merger_changes_who_owns_and_nothing_else() -> None:
    changes = {"providers.b.strategy": "marginal_cost", "market.must_serve": False, "demand.scale": 5}
    changes |= {"outages": [{"first": 1, "last": 1, "available": 0.5, "provider": "b"}]}
    before = tiny().override(changes)
    after = tf.merge(before, {"ab": ["a", "b"]})
    runs = []
    for scenario in (before, after):
        model = tf.TokenMarket(scenario, rng=4)
        model.run()
        runs.append(model.results())
    one, two = runs
    for name in ("price", "demand", "dispatch", "revenue", "asset_availability"):
        assert (one[name].values == two[name].values).all()
    assert two["profit"].sel(provider="ab").values == pytest.approx(
        one["profit"].sum("provider").values, rel=1e-12
    )
    assert two["asset_provider"].values.tolist() == ["ab", "ab"]
    found = tf.compare(after, ["marginal_cost", "best_response"], provider="ab", seeds=2)
    assert found.dataset["provider"].values.tolist() == ["ab"]
    swept = tf.sweep(before, vary={"mergers": [{}, {"ab": ["a", "b"]}]}, seeds=2).dataset
    profit = swept["profit"].sum("provider")
    assert profit[0].values == pytest.approx(profit[1].values, rel=1e-12)


def test_mitigation_is_refused_in_one_line_each() -> None:
    assert "market.mitigation: needs an `offer_cap`, a `price_cap` or" in faults_of({"market.mitigation": {}})
    text = faults_of(
        {"market.mitigation": {"offer_cap": {"chat": -1}, "price_cap": "x", "pivotal_suppliers": 0}}
    )
    for line in (
        "market.mitigation.offer_cap.chat: must be at least 0; found -1",
        "market.mitigation.price_cap: must be a number; found 'x'",
        "market.mitigation.pivotal_suppliers: must be at least 1; found 0",
    ):
        assert line in text
    assert "market.mitigation.offer_cap: unknown workload 'code'" in faults_of(
        {"market.mitigation.offer_cap": {"code": 1}}
    )
    made = tiny().override({"market.mitigation.offer_cap": 3}).rules.mitigation
    assert made is not None
    assert by_class(made.offer_cap, ["chat"]) == [3.0]
    assert by_class({"chat": 2.0}, ["chat", "code"]) == [2.0, np.inf]
