"""A fresh machine gets the versions that were tested: every package that may be installed is pinned."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import requires, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CHECKOUT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
PINS = [Requirement(text) for text in PROJECT["tool"]["uv"]["constraint-dependencies"]]
BUILD_PINS = [Requirement(text) for text in PROJECT["tool"]["uv"]["build-constraint-dependencies"]]


def needed(texts: list[str], extras: frozenset[str] = frozenset()) -> Iterator[Requirement]:
    """Give the requirements that hold in this environment."""
    for text in texts:
        found = Requirement(text)
        if found.marker is None or any(found.marker.evaluate({"extra": extra}) for extra in {"", *extras}):
            yield found


def reached() -> set[str]:
    """Walk from what pyproject.toml asks for to everything that is installed for it."""
    asked = PROJECT["project"]["dependencies"] + PROJECT["dependency-groups"]["dev"]
    todo = list(needed(asked))
    seen: set[tuple[str, frozenset[str]]] = set()
    while todo:
        package = todo.pop()
        key = (canonicalize_name(package.name), frozenset(package.extras))
        if key not in seen:
            seen.add(key)
            todo.extend(needed(requires(package.name) or [], frozenset(package.extras)))
    return {name for name, _ in seen} - {canonicalize_name(PROJECT["project"]["name"])}


def test_every_package_is_pinned_to_the_version_that_is_tested_here() -> None:
    pinned = {canonicalize_name(pin.name): str(pin.specifier) for pin in PINS}
    tested = {name: f"=={version(name)}" for name in reached()}
    assert len(tested) > len(PROJECT["project"]["dependencies"])
    assert {name: pinned.get(name, "not pinned") for name in tested} == tested


def test_pins_are_names_and_exact_versions_and_nothing_else() -> None:
    texts = PROJECT["tool"]["uv"]["constraint-dependencies"]
    assert texts == sorted(texts)
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", str(pin)) for pin in PINS + BUILD_PINS)


def test_the_build_is_pinned_with_all_it_needs() -> None:
    pinned = {canonicalize_name(pin.name) for pin in BUILD_PINS}
    asked = {canonicalize_name(Requirement(text).name) for text in PROJECT["build-system"]["requires"]}
    assert asked <= pinned
    shared = {str(pin) for pin in PINS if canonicalize_name(pin.name) in pinned}
    assert shared <= {str(pin) for pin in BUILD_PINS}


def test_the_lock_file_stays_out_of_git() -> None:
    ignored = (CHECKOUT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert "uv.lock" in ignored
