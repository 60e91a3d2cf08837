from __future__ import annotations

from dataclasses import replace

import pytest
import solara

import tokenflow_sim as tf
from tokenflow_sim.app import edits as forms
from tokenflow_sim.app.edits import MORE, SEED, SOURCE, Edits, check
from tokenflow_sim.app.session import Variant


def typed(**values: str) -> Edits:
    return Edits("us5", values={path.replace("__", "."): text for path, text in values.items()})


def test_what_is_typed_changes_the_scenario() -> None:
    edits = typed(demand__scale="30", workloads__chat__latency_limit="", network__capacity="2.5", periods="7")
    checked = check(edits)
    assert checked.faults == {}
    assert checked.scenario is not None
    assert checked.scenario.demand.scale == 30
    assert checked.scenario.workloads["chat"].latency_limit is None
    assert checked.scenario.network.capacity == 2.5
    assert checked.scenario.periods == 7
    assert checked.base == tf.load_scenario("us5")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("demand.scale", "a lot"),
        ("demand.scale", "-1"),
        ("demand.scale", "1e999"),
        ("demand.scale", ""),
        ("demand.scale", "[1"),
        ("periods", "0"),
        ("periods", "1.5"),
        ("workloads.chat.latency_limit", "-3"),
        ("network.capacity", "nan"),
        ("network.arcs.ashburn->dallas.capacity", "wide"),
        ("providers.dallas_dc.strategy.name", "no_such_strategy"),
        ("providers.dallas_dc.strategy.markup", "0.1"),
    ],
)
def test_a_fault_stands_beside_its_own_field(path: str, text: str) -> None:
    checked = check(Edits("us5", values={path: text, "market.opex_adder": "1"}))
    assert checked.scenario is None
    assert list(checked.faults) == [path]
    assert checked.faults[path]


def test_faults_of_several_fields_are_told_at_once() -> None:
    edits = Edits(
        "us5",
        seed="x",
        values={"demand.scale": "x", "periods": "x"},
        more="no.such.path = 1\nnot a line\nhours = 1",
    )
    checked = check(edits)
    assert set(checked.faults) == {SEED, "demand.scale", "periods", MORE}
    assert "no.such.path" in checked.faults[MORE]
    assert "'not a line'" in checked.faults[MORE]


def test_parameters_of_a_strategy_are_checked_beside_their_field() -> None:
    stem = "providers.dallas_dc.strategy"
    good = check(Edits("us5", values={f"{stem}.name": "fixed_markup", f"{stem}.markup": "0.3"}))
    assert good.scenario is not None
    assert good.scenario.providers["dallas_dc"].strategy.as_dict() == {"name": "fixed_markup", "markup": 0.3}
    bad = check(Edits("us5", values={f"{stem}.name": "fixed_markup", f"{stem}.markup": "-2"}))
    assert "at least -1" in "".join(bad.faults.values())
    assert set(bad.faults) <= {f"{stem}.name", f"{stem}.markup"}


def test_a_path_set_twice_is_told() -> None:
    assert "set twice" in check(Edits("us5", more="hours = 1\nhours = 2")).faults[MORE]
    both = Edits("us5", values={"hours": "2"}, more="hours = 1")
    assert "in its own field" in check(both).faults[MORE]


def test_a_scenario_that_cannot_be_read_is_told() -> None:
    checked = check(Edits("no_such_scenario"))
    assert list(checked.faults) == [SOURCE]
    assert checked.base is None


def test_no_code_is_run_for_a_scenario_of_somebody_elses() -> None:
    checked = check(
        Edits("us5", values={"providers.dallas_dc.strategy.name": "tests.strategies.samples:Undercut"})
    )
    assert "runs no code" in checked.faults["providers.dallas_dc.strategy.name"]


def test_what_equals_the_scenario_is_no_change() -> None:
    edits = Edits("us5").put("demand.scale", "30", "35").put("demand.scale", " 35 ", "35")
    assert edits == Edits("us5")


def test_another_strategy_drops_the_parameters_of_the_former() -> None:
    stem = "providers.dallas_dc.strategy"
    edits = (
        Edits("us5").put(f"{stem}.name", "fixed_markup", "marginal_cost").put(f"{stem}.markup", "0.2", "0.1")
    )
    assert set(edits.values) == {f"{stem}.name", f"{stem}.markup"}
    assert edits.put(f"{stem}.name", "marginal_cost", "marginal_cost").values == {}


@pytest.mark.parametrize("name", ["us5", "us20", "us20_oligopoly"])
def test_every_field_holds_what_the_scenario_says(name: str) -> None:
    base = tf.load_scenario(name)
    provider, arc = next(iter(base.providers)), str(base.compiled.layout.arcs[0])
    entries = [*forms.general(base), *forms.latencies(base), *forms.capacities(base), forms.link(base, arc)]
    assert len(entries) >= 4 + len(base.workloads)
    kept = {entry.path: entry.base for entry in entries if entry.base}
    assert base.override(kept).to_yaml() == base.to_yaml()
    markup = forms.strategy(base, provider, "fixed_markup")
    assert [(entry.path, entry.base) for entry in markup] == [
        (f"providers.{provider}.strategy.markup", "0.1")
    ]


def test_two_fields_that_change_before_the_page_is_drawn_anew_both_count() -> None:
    variant = Variant("A", solara.reactive(Edits("us5")))
    variant.change(lambda now: now.put("demand.scale", "36", "35"))
    variant.change(lambda now: replace(now, seed="4"))
    assert variant.edits.peek() == Edits("us5", "4", {"demand.scale": "36"})


def test_a_start_plays_what_was_typed_last_even_before_the_page_is_drawn_anew() -> None:
    variant = Variant("A", solara.reactive(Edits("us5")))
    variant.catch_up()
    variant.change(lambda now: now.put("periods", "2", "24"))
    variant.start(0.0)
    variant.runner.wait(60)
    assert (variant.runner.status, variant.runner.periods) == ("done", 2)
    # What is played is left alone until Reset.
    variant.change(lambda now: now.put("periods", "3", "24"))
    variant.catch_up()
    variant.step()
    assert (variant.runner.status, variant.runner.periods) == ("done", 2)


def test_a_faulty_setting_leaves_what_is_ready() -> None:
    variant = Variant("A", solara.reactive(Edits("us5")))
    variant.catch_up()
    variant.change(lambda now: now.put("periods", "many", "24"))
    variant.catch_up()
    assert (variant.runner.status, variant.applied) == ("ready", Edits("us5"))
