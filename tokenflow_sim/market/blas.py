"""Holding linear algebra to one thread while markets are cleared.

A clearing factorises matrices of a few dozen rows. A BLAS that hands such work to several threads waits for all
of them, and on a machine whose cores are busy with something else that wait is many times the work itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import scipy.linalg.lapack  # noqa: F401  scipy brings a BLAS of its own, which must be loaded to be found
from threadpoolctl import ThreadpoolController


@cache
def _libraries() -> ThreadpoolController:
    # Finding the libraries takes milliseconds, and they stay the same as long as the process runs.
    return ThreadpoolController().select(user_api="blas")


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold every BLAS of this process to one thread, and restore what it was afterwards.

    Notes
    -----
    Costs about 1 microsecond where one thread is already in force, as it is for each clearing of a run, and about
    25 otherwise.
    """
    libraries = _libraries()
    if all(library.get_num_threads() == 1 for library in libraries.lib_controllers):
        yield
        return
    with libraries.limit(limits=1):
        yield
