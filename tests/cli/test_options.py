from __future__ import annotations

import os
from pathlib import Path

import pytest

from tokenflow_sim.cli.options import make_folder, parse_overrides, refuse_existing
from tokenflow_sim.errors import InputError, ResultError


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("a.b=40", "a.b", "40"),
        (" a.b = {x: 1} ", "a.b", "{x: 1}"),
        ("a=b=c", "a", "b=c"),
        ("a=", "a", ""),
        ("providers.b.assets[2].node=x", "providers.b.assets[2].node", "x"),
    ],
)
def test_assignments_are_split_at_the_first_equals_sign(text: str, path: str, value: str) -> None:
    assert parse_overrides([text]) == {path: value}


def test_no_assignment_is_no_override() -> None:
    assert parse_overrides(None) == {}


def test_all_faults_of_assignments_are_told_at_once() -> None:
    with pytest.raises(InputError) as caught:
        parse_overrides(["demand.scale", "=3", "y=1", "y=2", "z=3"])
    message = str(caught.value)
    assert "the command line has 3 faults" in message
    for told in (
        "--set demand.scale: give a path and a value",
        "--set =3: give a path and a value",
        "--set y=2: this path is set more than once",
    ):
        assert told in message


def test_existing_files_are_refused_unless_forced(tmp_path: Path) -> None:
    there, absent = tmp_path / "there.nc", tmp_path / "absent.nc"
    there.write_text("x")
    refuse_existing([absent], force=False)
    refuse_existing([there, absent], force=True)
    with pytest.raises(ResultError, match=r"there\.nc exists already.*--force"):
        refuse_existing([there, absent], force=False)
    with pytest.raises(ResultError, match="is a folder"):
        refuse_existing([tmp_path], force=True)


def test_a_folder_is_made_with_its_parents_and_left_empty(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    make_folder(folder)
    assert folder.is_dir()
    assert os.listdir(folder) == []


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ResultError, match=r"file.below: cannot be written"):
        make_folder(tmp_path / "file" / "below")
    with pytest.raises(ResultError, match="/proc/tokenflow: cannot be written"):
        make_folder(Path("/proc/tokenflow"))
