"""Short forms of long names: never alike, and with the part in which they differ."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenflow_sim.plot.shorten import Family, middle_cut

SITES = [f"xAI Colossus {n} Memphis Tennessee" for n in (1, 2, 3)]
NAMES = st.lists(st.text("ab ", min_size=1, max_size=40), max_size=12, unique=True)


def test_names_that_differ_in_the_middle_keep_it() -> None:
    family = Family([*SITES, "a short name", "one long name that is like no other"])
    assert [family.short(name, 16) for name in SITES] == [
        "xAI C…s 1 Memph…",
        "xAI C…s 2 Memph…",
        "xAI C…s 3 Memph…",
    ]
    assert family.short("a short name", 16) == "a short name"
    assert family.short("one long name that is like no other", 16) == "one long n…other"


def test_names_that_differ_at_the_end_keep_it() -> None:
    names = ["northern site of the east, hall 1", "northern site of the west, hall 1"]
    family = Family(names)
    assert [family.short(name, 20) for name in names] == [middle_cut(name, 20) for name in names] or len(
        {family.short(name, 20) for name in names}
    ) == 2
    assert "east" in family.short(names[0], 20)


@given(NAMES, st.sampled_from([8, 12, 16]))
def test_no_two_names_look_the_same(names: list[str], longest: int) -> None:
    family = Family(names[::2])  # the others are labels that no results hold
    labels = [family.short(name, longest) for name in names]
    assert all(len(label) <= longest for label in labels)
    long = [label for name, label in zip(names, labels, strict=True) if len(name) > longest]
    assert len(set(long)) == len(long)
    assert [family.short(name, longest) for name in names] == labels


@pytest.mark.parametrize("longest", [4, 8, 22])
def test_a_cut_name_has_its_ends(longest: int) -> None:
    cut = middle_cut(SITES[0], longest)
    assert len(cut) == longest
    assert cut.startswith("xA")
    assert cut.endswith("e")
