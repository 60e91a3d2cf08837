from __future__ import annotations

import io
import math

import pytest

from tokenflow_sim.cli import console


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.0748, "0.07480"),
        (41.8948, "41.89"),
        (123635.32, "123,635"),
        (-2.5, "-2.500"),
        (1.234e-13, "1.2e-13"),
        (math.nan, "-"),
        (math.inf, "inf"),
        (9.99999, "10.00"),
    ],
)
def test_numbers_have_significant_digits(value: float, text: str) -> None:
    assert console.significant(value) == text


def test_money_is_written_alike_within_a_column() -> None:
    assert console.money([139446.09, 1833.57, -0.2]) == ["139,446", "1,834", "0"]
    assert console.money([12.345, -0.001]) == ["12.35", "0.00"]
    assert console.money([1.0, math.nan]) == ["1.00", "-"]
    assert console.money([]) == []


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(1, 8, "12.5 %"), (0, 5, "0.0 %"), (1e-6, 1, "0.0001 %"), (0, 0, "-"), (5, 5, "100.0 %")],
)
def test_shares(part: float, whole: float, text: str) -> None:
    assert console.share(part, whole) == text


def test_tables_in_a_pipe_are_plain_and_whole(capsys) -> None:
    name = "a[2].node " + "x" * 120
    console.show_table(
        "Prices [bold]", ["name", "price\n$/Mtok"], [[name, "1.0"], ["total", "2.0"]], total=True
    )
    text = capsys.readouterr().out
    assert "\x1b" not in text
    assert name in text
    assert text.startswith("Prices [bold]\n")
    assert "$/Mtok" in text


def test_an_empty_table_is_not_shown(capsys) -> None:
    console.show_table("Nothing", ["name"], [])
    assert capsys.readouterr().out == ""


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


def test_tables_on_a_terminal_fit_80_columns(monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm-256color")
    screen = Screen()
    monkeypatch.setattr("sys.stdout", screen)
    console.show_table("T", ["name", "note"], [["row", "word " * 60]], words=2)
    lines = screen.getvalue().splitlines()
    assert len(lines) > 4
    from rich.text import Text

    assert max(Text.from_ansi(line).cell_len for line in lines) <= 80


def test_progress_is_silent_away_from_a_terminal(capsys) -> None:
    with console.progress("running", 3, "periods") as advance:
        for _ in range(3):
            advance()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == ""


def test_progress_counts_on_a_terminal(monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm-256color")
    screen = Screen()
    monkeypatch.setattr("sys.stderr", screen)
    with console.progress("running", 4, "periods") as advance:
        advance(4)
    text = screen.getvalue()
    assert "running" in text
    assert "4/4" in text
    assert "left" in text


def test_things_are_counted_in_words() -> None:
    counted = [console.counted(*pair) for pair in ((0, "arc"), (1, "class"), (2, "class"), (8760, "period"))]
    assert counted == ["0 arcs", "1 class", "2 classes", "8,760 periods"]
