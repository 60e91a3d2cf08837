from __future__ import annotations

import signal
import sys
from collections.abc import Iterator

import pytest

from tokenflow_sim.cli import console, guard


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(guard, "_pending", [])
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class Careless:
    """Its destructor is where a signal arrives: Python swallows what is raised there."""

    def __init__(self, number: signal.Signals) -> None:
        self.number = number

    def __del__(self) -> None:
        signal.raise_signal(self.number)


@pytest.mark.parametrize(
    ("number", "raised"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]
)
def test_a_signal_that_python_swallows_ends_the_loop_after_its_step(
    number: signal.Signals, raised: type[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    guard.install_signals()
    done: list[int] = []

    def loop() -> None:
        with console.progress("running", 5, "periods") as advance:
            for step in range(5):
                if step == 2:
                    Careless(number)
                done.append(step)
                advance()

    with pytest.raises(raised):
        loop()
    assert done == [0, 1, 2]
    assert "ignored" not in capsys.readouterr().err, "what Python swallowed is raised again, and not told"


def test_what_else_python_swallows_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    class Broken:
        def __del__(self) -> None:
            raise ValueError("broken")

    guard.install_signals()
    Broken()
    assert "ValueError: broken" in capsys.readouterr().err


def test_without_a_signal_nothing_is_raised() -> None:
    guard.install_signals()
    guard.check_signals()
