"""Tables on terminals of any width: numbers are never cut in two."""

from __future__ import annotations

import re

import pytest
from rich.text import Text

from tests.cli.test_console import Screen
from tokenflow_sim.cli import console

PRICES = [f"price\n{name}\n[$/Mtok]" for name in ("chat", "image", "code", "batch", "speech", "video")]


def shown(monkeypatch: pytest.MonkeyPatch, columns: int, *table: object, **options: object) -> list[str]:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm-256color")
    screen = Screen()
    monkeypatch.setattr("sys.stdout", screen)
    console.show_table(*table, **options)  # type: ignore[arg-type]
    return [Text.from_ansi(line).plain for line in screen.getvalue().splitlines()]


@pytest.mark.parametrize("columns", [120, 80, 60, 52])
def test_numbers_are_whole_and_lines_fit(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    numbers = [[f"{-30533 - 7 * row - place:,}.{place}" for place in range(7)] for row in range(2)]
    heads = ["demand.scale", "providers.atlas.strategy.markup", "runs", *PRICES, "welfare\n[$/h]"]
    rows = [
        [key, "0.25", ended, *numbers[row]]
        for row, (key, ended) in enumerate([("1,000,000.5", "20 done"), ("20", "18 done, 2 infeasible")])
    ]
    lines = shown(monkeypatch, columns, "Means over seeds", heads, rows, words=3)
    assert max(map(len, lines)) <= columns
    cells = [cell for line in lines for cell in line.split()]
    for number in [number for row in numbers for number in row]:
        assert cells.count(number) == 1
    blocks = sum("providers." in line for line in lines)
    assert cells.count("1,000,000.5") == cells.count("0.25") / 2 == blocks >= 1
    assert (blocks == 1) == (columns == 120)
    heads_shown = "".join(cells)
    for name in ("chat", "video", "welfare"):
        assert heads_shown.count(name) == 1


def test_names_give_way_to_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    name, number = "a provider with a very long name that runs on and on", "1,234,567,890.12"
    heads = ["provider", "revenue\n$", "true cost\n$", "profit\n$"]
    lines = shown(
        monkeypatch, 72, "Providers", heads, [[name, *[number] * 3], ["all", *[number] * 3]], total=True
    )
    assert max(map(len, lines)) <= 72
    assert [line.split().count(number) for line in lines if number in line] == [3, 3]
    words = [word for line in lines[4:] for word in re.findall("[a-z]+", line)]
    assert words == [*name.split(), "all"]


def test_a_number_wider_than_the_terminal_is_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = shown(monkeypatch, 12, "T", ["name", "x"], [["row", "1,234,567,890,123"]])
    assert any("1,234,567,890,123" in line for line in lines)


def test_a_file_takes_the_whole_width(capsys: pytest.CaptureFixture[str]) -> None:
    console.show_table("T", ["name", *map(str, range(100))], [["row", *["-30,533.25"] * 100]])
    lines = capsys.readouterr().out.splitlines()
    assert lines[3].split() == ["row", *["-30,533.25"] * 100]
