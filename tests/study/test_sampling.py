from __future__ import annotations

import numpy as np
import pytest

import tokenflow_sim as tf
from tokenflow_sim.study.design import make_design
from tokenflow_sim.study.sampling import draw, integers, label_of, loguniform, read_values, uniform


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1:45:1", list(range(1, 46))),
        ("3:1:-1", [3, 2, 1]),
        ("1:3", [1, 2, 3]),
        ("0:1:0.25", [0.0, 0.25, 0.5, 0.75, 1.0]),
        ("0:0.3:0.1", [0.0, 0.1, 0.2, 0.3]),
        ("1:4:2", [1, 3]),
        ("1e1:2e1:5", [10, 15, 20]),
        ("a, no, true, 1.5", ["a", "no", True, 1.5]),
        (
            "{name: fixed_markup, markup: 0.1}, marginal_cost",
            [{"name": "fixed_markup", "markup": 0.1}, "marginal_cost"],
        ),
        ("none", ["none"]),
    ],
)
def test_text_is_read_as_ranges_and_lists(text: str, values: list[object]) -> None:
    found = read_values(text)
    assert found == values
    assert [type(value) for value in found] == [type(value) for value in values]  # type: ignore[union-attr]


def test_python_values_and_distributions_are_taken_as_they_are() -> None:
    assert read_values(range(1, 4)) == [1, 2, 3]
    assert read_values(np.array([0.5, 1.5])) == [0.5, 1.5]
    assert read_values(7) == [7]
    assert read_values("uniform(1, 3)") == uniform(1, 3) == read_values(uniform(1, 3))
    assert read_values("loguniform(1e-2,1)") == loguniform(0.01, 1)
    assert read_values("integers(1,6)") == integers(1, 6)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("unifrm(1, 3)", "did you mean 'uniform'"),
        ("uniform(1)", "give two numbers, e.g. uniform"),
        ("uniform(3, 1)", "the first end must be below the second"),
        ("loguniform(0, 1)", "both ends must be positive"),
        ("integers(0.5, 2)", "whole numbers"),
        ("1:5:-1", "does not lead from the start to the stop"),
        ("1:5:0", "does not lead"),
        ("0:1:0.0000001", "more than 1,000,000"),
        ("1, 1", "more than once"),
        ("", "there is no value"),
        ("[1", "is no list of YAML values"),
    ],
)
def test_what_cannot_be_read_is_told(text: str, told: str) -> None:
    with pytest.raises(tf.InputError, match=told):
        read_values(text)


def test_draws_follow_their_distributions() -> None:
    wide, log, die = draw([uniform(2, 6), loguniform(1, 100), integers(1, 6)], 4096, "sobol", 1)
    assert min(wide) >= 2
    assert max(wide) <= 6
    assert np.mean(wide) == pytest.approx(4, abs=0.01)
    assert np.median(log) == pytest.approx(10, rel=0.01)
    assert np.mean(log) == pytest.approx(99 / np.log(100), rel=0.01)
    assert sorted(set(die)) == [1, 2, 3, 4, 5, 6]
    assert np.bincount(die)[1:] / 4096 == pytest.approx([1 / 6] * 6, abs=0.01)


@pytest.mark.parametrize("method", ["random", "latin", "sobol"])
def test_a_draw_is_a_function_of_its_seed(method: str) -> None:
    one, same, other = (draw([uniform(0, 1)], 8, method, seed) for seed in (3, 3, 4))  # type: ignore[arg-type]
    assert one == same
    assert one != other


def test_a_latin_hypercube_meets_every_stratum_once() -> None:
    (values,) = draw([uniform(0, 10)], 10, "latin", 0)
    assert sorted(int(value) for value in values) == list(range(10))


def test_labels_of_structures_are_text() -> None:
    assert [label_of(value) for value in (1, 0.5, True, "a", [1, 2], {"a": 1}, None)] == [
        1, 0.5, True, "a", "[1, 2]", "{a: 1}", "null",
    ]  # fmt: skip


# Designs


def test_a_grid_is_the_product_and_its_positions_are_its_places() -> None:
    design = make_design({"a": [1, 2, 3], "b": "x,y"}, seeds=2)
    assert design.shape == {"a": 3, "b": 2, "seed": 2}
    points = list(design)
    assert [(point.values["a"], point.values["b"]) for point in points][:3] == [(1, "x"), (1, "y"), (2, "x")]
    for number, point in enumerate(points):
        assert design.index(2 * number + 1) == (*point.index, 1)


def test_lists_side_by_side_share_one_dim() -> None:
    design = make_design({"a": [1, 2], "b": [3.5, 4.5]}, how="list", seeds=[4, 9])
    assert design.shape == {"point": 2, "seed": 2}
    assert [point.values for point in design] == [{"a": 1, "b": 3.5}, {"a": 2, "b": 4.5}]
    assert design.coords["b"][0] == "point"


def test_points_drawn_are_crossed_with_lists() -> None:
    design = make_design({"s": ["x", "y"], "a": "uniform(0,1)", "b": "uniform(5,6)"}, samples=4)
    assert design.how == "sobol"
    assert design.shape == {"s": 2, "point": 4, "seed": 1}
    points = list(design)
    assert points[0].values["a"] == points[4].values["a"]
    assert points[0].values["s"] != points[4].values["s"]
    assert make_design({"a": "uniform(0,1)"}, samples=5).how == "random"


def test_all_faults_of_a_design_are_told_at_once() -> None:
    with pytest.raises(tf.InputError) as caught:
        make_design({"a": "uniform(3,1)", "b": []}, seeds=[1, 1], samples=3)
    assert len(caught.value.faults) == 4


@pytest.mark.parametrize(
    ("vary", "options", "told"),
    [
        ({}, {}, "name at least one path"),
        ({"a": [1]}, {"seeds": 0}, "give a number from 1 on"),
        ({"a": [1]}, {"seeds": [-1]}, "whole numbers from 0 to"),
        ({"a": [1]}, {"seeds": "ab"}, "whole number of seeds"),
        ({"a": [1]}, {"seeds": 2.5}, "whole number of seeds"),
        ({"a": [1]}, {"seeds": [1.7]}, "whole numbers from 0 to .*; found 1.7"),
        ({"a": [1]}, {"seeds": []}, "empty list"),
        (["a"], {}, "must be a mapping from paths to values"),
        ({"a": "uniform(0,1)"}, {}, "say how many points to draw"),
        ({"a": "uniform(0,1)"}, {"samples": 6, "how": "sobol"}, "a power of two"),
        ({"a": "uniform(0,1)"}, {"how": "grid"}, "no distribution"),
        ({"a": [1]}, {"how": "random", "samples": 2}, "no path has a distribution"),
        ({"a": [1], "b": [1, 2]}, {"how": "list"}, "one length"),
        ({"a": [1]}, {"how": "gird"}, "did you mean 'grid'"),
        ({"a": range(1001), "b": range(1000)}, {}, "more than 1,000,000"),
    ],
)
def test_designs_that_make_no_sense_are_told(
    vary: dict[str, object], options: dict[str, object], told: str
) -> None:
    with pytest.raises(tf.InputError, match=told):
        make_design(vary, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("seeds", [2, np.int64(2), np.arange(2), range(2), [0, np.int32(1)]])
def test_seeds_of_arrays_are_taken_as_plain_numbers(seeds: object) -> None:
    design = make_design({"a": [1]}, seeds)  # type: ignore[arg-type]
    assert design.seeds == [0, 1]
    assert {type(seed) for seed in design.seeds} == {int}


@pytest.mark.parametrize("paths", [("demand.scale", "demand"), ("demand", "demand.scale"), ("a.b", " a.b")])
def test_paths_of_which_one_holds_the_other_are_told(paths: tuple[str, str]) -> None:
    with pytest.raises(tf.InputError, match=r"holds .* which is varied too") as caught:
        make_design({path: [1, 2] for path in paths})
    assert len(caught.value.faults) == 1
    assert make_design({"demand.scale": [1], "demand.scaled": [2]}).shape == {
        "demand.scale": 1,
        "demand.scaled": 1,
        "seed": 1,
    }


def test_a_seed_that_no_coordinate_holds_is_told() -> None:
    assert make_design({"a": [1]}, [2**64 - 1]).coords["seed"][1].tolist() == [2**64 - 1]
    with pytest.raises(tf.InputError, match="whole numbers from 0 to 18,446,744,073,709,551,615"):
        make_design({"a": [1]}, [2**64])
