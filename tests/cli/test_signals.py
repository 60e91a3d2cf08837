from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tokenflow_sim.cli import console, guard


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(guard, "_pending", [])
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


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("number", "raised"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]
)
def test_a_signal_that_python_swallows_ends_the_loop_after_its_step(
    number: signal.Signals, raised: type[BaseException]
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


def test_without_a_signal_nothing_is_raised() -> None:
    guard.install_signals()
    guard.check_signals()
