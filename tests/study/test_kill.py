"""``kill -9`` at any moment: the same command with ``--resume`` ends in the same files, byte for byte."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.nursery import Nursery
from tests.study.tiny import TEXT

COMMANDS = {
    "run": "run tiny.yaml --periods 60 --checkpoint 6 --seed 4 --out out.nc",
    "sweep": "sweep tiny.yaml --vary demand.scale=1,2,3,9 --seeds 3 --out out.zarr",
    "compare": "compare tiny.yaml --strategies marginal_cost,fixed_markup --seeds 5 --workers 1 --out out.nc",
    "game": "game tiny.yaml --actions 0:1:9 --learner roth_erev --sessions 40 --periods 3000 --stop 0 --store kept"
    " --force --out out.nc --table table.csv --played played.nc",
}
KILLS = 2


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file in a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.long
@pytest.mark.parametrize("command", COMMANDS)
def test_what_was_killed_at_any_moments_ends_in_the_same_bytes(
    command: str, nursery: Nursery, tmp_path: Path
) -> None:
    words = [*COMMANDS[command].split(), *(["--resume"] if command != "game" else [])]
    folders = [tmp_path / "whole", tmp_path / "killed"]
    for folder in folders:
        folder.mkdir()
        (folder / "tiny.yaml").write_text(TEXT)
    whole, killed = folders
    began = time.monotonic()
    done = nursery.run(words, whole)
    assert done.status == 0, done
    took = time.monotonic() - began
    moments = [took * random.random() for _ in range(KILLS)]
    ends = [nursery.run(words, killed, kill_after=moment) for moment in moments]
    done = nursery.run(words, killed)
    assert done.status == 0, done
    expected, found = contents(whole), contents(killed)
    assert sorted(found) == sorted(expected), "nothing is left beside it"
    assert [name for name in expected if found[name] != expected[name]] == [], (moments, ends)
