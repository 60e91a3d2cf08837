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
