"""Session-periods a second of repeated play on cached payoffs, on one core: ``python -m benchmarks.games``.

Two players with fifteen actions each, as in Calvano et al. (2020); seconds are the processor's, so that what else
the machine does counts little.
"""

from __future__ import annotations

from time import process_time

import numpy as np

import tokenflow_sim as tf
from benchmarks.page import Table, versions, write_section
from tokenflow_sim.games.playing import RULES

SESSIONS = (256,)
PERIODS = 10_000
TARGET = 500.0


def rate(game: tf.Game, learner: str, sessions: int) -> float:
    """Return the thousands of session-periods a second of the processor."""
    game.play(
        learner, sessions=8, periods=500, stop=None
    )  # what is made once is made before the clock starts
    began = process_time()
    game.play(learner, sessions=sessions, periods=PERIODS, stop=100_000)
    return sessions * PERIODS / (process_time() - began) / 1000.0


def main() -> None:
    """Measure all learners, and write the table."""
    game = tf.Game.from_payoffs(np.random.default_rng(0).random((15, 15, 2)))
    column = "thousand session-periods/s, {} sessions"
    table = Table(
        {name: {column.format(count): TARGET for count in SESSIONS} for name in RULES}, tuple(RULES)
    )
    for name in RULES:
        for count in SESSIONS:
            table.ratio(name, column.format(count), rate(game, name, count))
    print(table.text())
    write_section("games", f"{table.text()}\n\n{versions()}")


if __name__ == "__main__":
    main()
