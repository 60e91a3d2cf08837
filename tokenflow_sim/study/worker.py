"""A process that plays the jobs it is sent: ``python -m tokenflow_sim.study.worker ADDRESS``."""

from __future__ import annotations

import os
import pickle
import signal
import sys
from multiprocessing.connection import Client, Connection
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tokenflow_sim.study.task import Job, JobResult, Shared

KEY = "TOKENFLOW_WORKER_KEY"
"""Environment variable with the key by which a worker and the process that started it know each other."""

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
"""Environment variables that keep linear algebra to one thread: the runs share the cores already."""

Message = tuple[int | None, bytes]
"""What a worker is sent: a job's position and the job, or None and what the jobs to come share; pickled."""


def main(address: str) -> None:
    """Play jobs until the process that started this one hangs up.

    Parameters
    ----------
    address : str
        Where it listens: a path, or ``host:port``.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches both; the other one ends this
    host, colon, port = address.rpartition(":")
    place: Any = (host, int(port)) if colon and port.isdigit() else address
    key = bytes.fromhex(os.environ.pop(KEY))
    try:
        with Client(place, authkey=key) as connection:
            connection.send(os.getpid())
            _serve(connection)
    except (EOFError, OSError):
        return  # the other process hung up, or died


def _serve(connection: Connection[Any, Any]) -> None:
    from tokenflow_sim.study.task import dump_result

    shared: Shared | Exception | None = None
    while True:
        position, packed = connection.recv()
        if position is None:
            shared = _made_again(packed)
            continue
        connection.send_bytes(dump_result(_result_of(position, shared, _made_again(packed))))


def _result_of(position: int, shared: Shared | Exception | None, job: Job | Exception) -> JobResult:
    from tokenflow_sim.study.task import JobResult, run_job

    if shared is not None and not isinstance(shared, Exception) and not isinstance(job, Exception):
        return run_job(shared, job)
    error = shared if isinstance(shared, Exception) else job
    message = (
        f"a worker process cannot make again what it was sent ({type(error).__name__}: {error}); put strategies and"
        ' `reduce` into a module that it can import, or install cloudpickle: pip install "tokenflow-sim[study]"'
    )
    return JobResult(position, None, "UnpicklingError", message)


def _made_again(packed: bytes) -> Any:
    try:
        return pickle.loads(packed)
    except Exception as error:  # importing a user's module may raise anything; the other process receives it
        return error


if __name__ == "__main__":
    main(sys.argv[1])
