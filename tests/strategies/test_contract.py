"""The check of a strategy passes those that keep to the contract, and tells the others what is wrong."""

from __future__ import annotations

import pytest

from tests.strategies import samples
from tokenflow_sim.testing import check_strategy


@pytest.mark.parametrize(
    "cls", [samples.Undercut, samples.Learner, samples.Elastic, samples.CongestionTariff, samples.Follows]
)
def test_a_strategy_of_ones_own_passes(cls: type) -> None:
    check_strategy(cls)


def test_an_object_passes_and_is_left_as_it_was() -> None:
    learner = samples.Learner(rate=0.3)
    before = dict(vars(learner))
    check_strategy(learner)
    assert vars(learner) == before


@pytest.mark.parametrize("name", ["fixed_tariff", "tests.strategies.samples:Undercut"])
def test_a_name_will_do(name: str) -> None:
    check_strategy(name)


def test_a_name_that_is_not_known_is_told() -> None:
    with pytest.raises(AssertionError, match="did you mean 'fixed_tariff'"):
        check_strategy("fixed_tarif")


def test_parameters_are_passed_on() -> None:
    with pytest.raises(AssertionError, match="price must be finite; found nan"):
        check_strategy(samples.Undercut, step=float("nan"))


@pytest.mark.parametrize(
    ("cls", "told"),
    [
        (samples.NotANumber, "price must be finite; found nan at asset 'tested/"),
        (samples.TooMuch, "quantity must be no more than exists; found 1 of 0 at asset 'tested/east/new'"),
        (samples.GlobalRandom, "draw random numbers from view.rng only"),
        (samples.ClassMemory, "keep nothing on the class or in the module"),
        (samples.Forgetful, "what get_state returns must hold all that it remembers"),
        (samples.Unpicklable, "cannot be made and pickled"),
        (samples.Meddler, "read-only"),
        (samples.WrongShape, "needs arrays of shape (3, 2), all alike; found price (), quantity (3, 2)"),
        (samples.NoOffer, "must return an Offer"),
        (samples.Crash, "ZeroDivisionError"),
    ],
)
def test_a_broken_strategy_is_told_what_is_wrong(cls: type, told: str) -> None:
    with pytest.raises(AssertionError) as caught:
        check_strategy(cls)
    assert told in str(caught.value)
    assert cls.__name__ in str(caught.value)


@pytest.mark.parametrize(
    ("cls", "told", "not_told"),
    [
        (
            samples.ByPeriod, ["the period (period 0, price: ", "random numbers (", "what the last periods brought ("],
            ["whose rows", "other rows", "how often it was asked"],
        ),
        (
            samples.ByNeighbour, ["what stands in its other rows (period 0, price: ", "how often it was asked ("],
            ["the period (", "random"],
        ),
        (samples.ByName, ["whose rows they are (", "transfer and link_use ("], ["the period (", "last periods"]),
    ],
)  # fmt: skip
def test_what_counts_beside_the_state_is_told_of_those_that_say_they_follow_it_alone(
    cls: type, told: list[str], not_told: list[str]
) -> None:
    with pytest.raises(AssertionError) as caught:
        check_strategy(cls)
    (line,) = {
        line.partition("market: ")[2] for line in str(caught.value).splitlines() if "plain market" in line
    }
    assert line.startswith(
        "it says `follows_state = True`, so that agents alike are asked in one call, and not again"
    )
    assert all(part in line for part in told), line
    assert not any(part in line for part in not_told), line


def test_all_faults_of_form_are_told_together() -> None:
    with pytest.raises(AssertionError) as caught:
        check_strategy(samples.Sloppy, step=1)
    text = str(caught.value)
    for told in ("no docstring", "'step' has no annotation", "'step' has no default", "'limit' is not kept"):
        assert told in text


def test_a_docstring_of_one_line_will_do_but_a_list_of_parameters_must_be_whole() -> None:
    class Plain(samples.Undercut):
        """Offer full capacity just under the last local price."""

    class Partly(samples.Undercut):
        """Offer full capacity just under the last local price.

        Parameters
        ----------
        other : float
            What is no parameter.
        """

    for cls in (Plain, Partly):  # local classes cannot be pickled by name
        cls.__qualname__ = cls.__name__
        setattr(samples, cls.__name__, cls)
        cls.__module__ = samples.__name__
    check_strategy(Plain)
    with pytest.raises(AssertionError, match="does not describe the parameter 'step'"):
        check_strategy(Partly)


def test_what_is_no_strategy_is_refused() -> None:
    with pytest.raises(AssertionError, match="derives from none of"):
        check_strategy(dict)  # type: ignore[arg-type]
