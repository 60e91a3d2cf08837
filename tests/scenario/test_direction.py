"""The hint for arcs that run from plant to load is given where it helps, and nowhere else."""

from __future__ import annotations

import pytest

import tokenflow_sim as tf
from tests.study.tiny import TEXT
from tokenflow_sim.scenario import Scenario, load_bundled
from tokenflow_sim.scenario.direction import direction_hint
from tokenflow_sim.scenario.loading import list_scenarios

BOTH = TEXT[TEXT.index("    e-w:") : TEXT.index("hardware:")]


def drawn(
    arcs: dict[str, tuple[str, str]], *, demand: str = "west", extra: str = "", serve: bool = False
) -> Scenario:
    """Return the market with one plant in the east, demand at one node, and these arcs."""
    lines = "".join(
        f"    {k}: {{origin: {a}, destination: {b}, capacity: 100}}\n" for k, (a, b) in arcs.items()
    )
    text = TEXT.replace(BOTH, lines).replace("  arcs:\n", "  arcs:\n" if arcs else "  arcs: {}\n")
    text = text[: text.index("  b: {strategy")]
    other = "east" if demand == "west" else "west"
    text = "\n".join(
        line.replace("demand_weight: 1", "demand_weight: 0") if f"node: {other}," in line else line
        for line in text.splitlines()
    )
    return Scenario.from_yaml(text.replace("must_serve: true", f"must_serve: {str(serve).lower()}") + extra)


def test_an_arc_from_plant_to_load_earns_the_hint() -> None:
    hint = direction_hint(drawn({"power line": ("east", "west")}).market())
    assert hint == (
        "hint: arcs run from where requests are made to where they are served; 'power line' (east->west)"
        " takes requests from east to west, so that demand at west (chat) finds no server:"
        " try the reverse, 'west->east'"
    )


@pytest.mark.parametrize(
    "scenario",
    [
        drawn({"e": ("west", "east")}),  # the way it should be
        drawn({"e": ("west", "east"), "w": ("east", "west")}),
        drawn({}),  # cut off either way
        drawn({"e": ("east", "west")}, demand="east"),  # served at home
        # The plant is no larger than what its own node asks for: nothing stands idle.
        Scenario.from_yaml(TEXT.replace("    w-e: {origin: west, destination: east, capacity: 100}\n", "")),
    ],
)
def test_no_hint_where_reversing_would_not_help(scenario: Scenario) -> None:
    assert direction_hint(scenario.market()) == ""


def test_bundled_scenarios_earn_none() -> None:
    for name in list_scenarios():
        assert direction_hint(load_bundled(name).market()) == "", name


def test_a_run_that_cannot_be_served_and_results_of_one_that_sheds_all_carry_it() -> None:
    model = tf.TokenMarket(drawn({"e->w": ("east", "west")}, serve=True), rng=0)
    with pytest.raises(tf.InfeasibleError) as told:
        model.run()
    assert any("try the reverse, 'west->east'" in note for note in told.value.__notes__)
    shed = tf.TokenMarket(drawn({"e->w": ("east", "west")}), rng=0)
    shed.run()
    results = shed.results()
    assert float(results.unserved.sum()) == float(results.demand.sum())
    assert "try the reverse" in results.attrs["hint"]
