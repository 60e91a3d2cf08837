"""Running HiGHS in a process in which others run it too.

HiGHS keeps one pool of threads for each thread of a process, made at the first run with as many threads as that asks
for. A run that asks for another number is refused: one of ours after a linopy or PyPSA model that was solved with
HiGHS's defaults, or such a model with more threads after one of ours.

References
----------
HiGHS documentation, "Parallelism" and the option `threads`: `Highs::resetGlobalScheduler` ends the pool.
"""

from __future__ import annotations

from typing import Any

import highspy


def run(highs: Any) -> Any:
    """Solve what a HiGHS object holds, whatever ran before, and leave no pool of threads to what runs next.

    Parameters
    ----------
    highs : Highs
        The object.

    Returns
    -------
    HighsModelStatus
        How it ended.

    Notes
    -----
    Ending a pool of one thread, as ours is, and making it again takes some 3 microseconds, ending none 0.1.
    """
    pool: Any = highspy.Highs
    pool.resetGlobalScheduler(True)
    try:
        highs.run()
    finally:
        pool.resetGlobalScheduler(True)
    return highs.getModelStatus()


DUAL, PRIMAL = 1, 4
"""HiGHS's `simplex_strategy`."""
# One solve in so many tries the algorithm that took more iterations of late; a count weighs so much in its mean.
_TRIED_AGAIN, _WEIGHT = 32, 0.2


class Pace:
    """Which simplex algorithm gets to the next optimum in fewer iterations from where the last one was.

    The primal one, in half of them, where costs and quantities all move; the dual one where costs nearly stay.
    """

    def __init__(self) -> None:
        self._mean: dict[int, float] = {}
        self._solves = 0

    def choose(self) -> int:
        """Return the algorithm for the next solve: each once, then the better one, and now and then the other."""
        self._solves += 1
        if len(self._mean) < 2:
            return DUAL if PRIMAL in self._mean else PRIMAL
        best, other = sorted((PRIMAL, DUAL), key=lambda one: self._mean[one])
        return best if self._solves % _TRIED_AGAIN else other

    def took(self, algorithm: int, iterations: int) -> None:
        """Note how many iterations a solve took."""
        mean = self._mean.get(algorithm, float(iterations))
        self._mean[algorithm] = mean + _WEIGHT * (iterations - mean)
