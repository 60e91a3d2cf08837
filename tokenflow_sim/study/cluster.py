"""Playing jobs on a Dask cluster."""

from __future__ import annotations

import importlib
import json
import pickle
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any

from tokenflow_sim.errors import ResultError
from tokenflow_sim.strategies.code import running_code
from tokenflow_sim.strategies.loading import load
from tokenflow_sim.study.local import ATTEMPTS, dumps
from tokenflow_sim.study.play import Answer, Job, Shared, dump_answer, play

if TYPE_CHECKING:
    from distributed import Client

AHEAD = 3
"""Jobs per thread of the cluster that the scheduler holds at once; more would only wait in its memory."""


def connect(address: str, timeout: float = 10.0) -> Client:
    """Connect to the scheduler of a Dask cluster.

    Parameters
    ----------
    address : str
        Its address, e.g. ``tcp://10.0.0.5:8786``.
    timeout : float
        Seconds to wait.

    Raises
    ------
    ResultError
        If Dask is not installed, or there is no scheduler.
    """
    try:
        distributed = _distributed()
    except ImportError as error:
        raise ResultError(
            f'a cluster needs Dask ({error}); install it: pip install "tokenflow-sim[study]"'
        ) from error
    try:
        client: Client = distributed.Client(address, timeout=timeout, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ResultError(
            f"{address}: no scheduler answers there ({error}); start one with `dask scheduler`, and workers with"
            f" `dask worker {address} --nthreads 1`"
        ) from error
    return client


def _distributed() -> Any:
    """Import Dask's scheduler, which carries no types."""
    return importlib.import_module("distributed")


class Cluster:
    """Plays jobs on a Dask cluster.

    Parameters
    ----------
    client : distributed.Client
        A client of the cluster.

    Notes
    -----
    What all jobs share is the result of a task of its own: workers fetch it once each, also those that come
    later, and where the only one that has it dies, the scheduler makes it again. A job whose worker dies is given
    to another one; Dask gives up after ``distributed.scheduler.allowed-failures`` workers (3 by default).
    """

    def __init__(self, client: Any) -> None:
        self.client = client
        self._shared: object = None
        self._common: Any = None

    def close(self) -> None:
        """Let the workers forget what was sent to them."""
        self._shared = self._common = None

    def play(self, shared: Shared, jobs: Sequence[Job]) -> Iterator[Answer]:
        """Play jobs; answers come as they are ready.

        Raises
        ------
        ResultError
            If the scheduler is lost.
        """
        client, batch = self.client, uuid.uuid4().hex[:8]
        if shared is not self._shared:
            key = f"tokenflow-shared-{batch}"
            names = list(json.loads(running_code() or "{}"))
            self._shared, self._common = shared, client.submit(_made_again, dumps(shared), names, key=key)
        waiting = iter(jobs)
        running: dict[Any, Job] = {}

        def submit(job: Job) -> Any:
            key = f"tokenflow-run-{batch}-{job.position}"
            future = client.submit(_play, self._common, dumps(job), key=key, pure=False)
            running[future.key] = job
            return future

        threads = max(1, sum(client.nthreads().values()))
        first = [submit(job) for job in islice(waiting, AHEAD * threads)]
        # With its own loop: the client need not be the default one.
        futures = _distributed().as_completed(first, loop=client.loop)
        for future in futures:
            job = running.pop(future.key)
            answer = _answer(future, job)
            future.release()
            following = next(waiting, None)
            if following is not None:
                futures.add(submit(following))
            yield answer


def _made_again(packed: bytes, names: Sequence[str]) -> Any:
    """Unpickle what jobs share; modules that were edited since the worker imported them are loaded anew first."""
    for name in names:
        if name in sys.modules:
            with suppress(Exception):  # the run that needs it says what is wrong
                load(name)
    return pickle.loads(packed)


def _play(shared: Shared, packed: bytes) -> bytes:
    """Play one job on a worker; the answer is packed there, so that the scheduler need not know its classes."""
    return dump_answer(play(shared, pickle.loads(packed)))


def _answer(future: Any, job: Job) -> Answer:
    if future.status == "cancelled":
        raise ResultError(
            "the scheduler of the cluster is gone, or forgot the study; what was finished is kept where it has an"
            " output: start the cluster again and resume (--resume)"
        )
    if future.status == "error":
        error = future.exception()
        if isinstance(error, _distributed().KilledWorker):
            message = f"the workers that played it died {ATTEMPTS} times or more ({error})".partition("\n")[0]
            return Answer(job.position, None, "LostWorker", message)
        return Answer(job.position, None, type(error).__name__, f"on a worker of the cluster: {error}")
    answer: Answer = pickle.loads(future.result())
    return answer
