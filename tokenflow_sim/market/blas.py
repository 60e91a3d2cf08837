"""Holding linear algebra to one thread while markets are cleared.

A clearing factorises matrices of a few dozen rows. A BLAS that hands such work to several threads waits for all
of them, and on a machine whose cores are busy with something else that wait is many times the work itself.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import scipy.linalg.lapack  # noqa: F401  scipy brings a BLAS of its own, which must be loaded to be found
from threadpoolctl import ThreadpoolController


@cache
def _libraries() -> ThreadpoolController:
    # Finding the libraries takes milliseconds, and they stay the same as long as the process runs.
    return ThreadpoolController().select(user_api="blas")


class one_thread:
    """Hold every BLAS of this process to one thread, and restore what it was afterwards.

    Notes
    -----
    Within a block that holds them already, as each clearing of a run is, nothing is asked and nothing done; otherwise
    it costs about 25 microseconds.
    """

    _depth = 0

    def __enter__(self) -> None:
        """Hold them."""
        self._limiter: Any = None
        if not one_thread._depth:
            libraries = _libraries()
            if any(library.get_num_threads() != 1 for library in libraries.lib_controllers):
                self._limiter = libraries.limit(limits=1)
        one_thread._depth += 1

    def __exit__(self, *error: object) -> None:
        """Restore them."""
        one_thread._depth -= 1
        if self._limiter is not None:
            self._limiter.restore_original_limits()
