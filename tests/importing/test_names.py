"""Names of other tools become names that a scenario takes, each its own."""

from __future__ import annotations

from tokenflow_sim.importing.names import is_name, map_names, renamed


def test_names_that_fit_stay_and_others_become_unique() -> None:
    found = map_names(["New York", "", "->", "a\nb", "a b"], {"New York": "ny"})
    assert found["New York"] == "ny"
    assert found["a b"] == "a b"
    assert len(set(found.values())) == 5
    assert all(is_name(name) for name in found.values())
    assert "'New York' is 'ny'" in renamed(found)
    assert renamed({"a": "a"}) == ""


def test_long_names_are_cut_apart() -> None:
    found = map_names([letter * 90 for letter in "ab"] + ["c" * 64 + str(number) for number in range(5)])
    assert len(set(found.values())) == 7
    assert all(len(name) <= 64 for name in found.values())
