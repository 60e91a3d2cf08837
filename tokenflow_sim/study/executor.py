"""Where the jobs of a study are played: in this process, on processes of this machine, or on a Dask cluster."""

from __future__ import annotations

import importlib
import json
import pickle
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol, Self

from tokenflow_sim.errors import Fault, InputError, ResultError
from tokenflow_sim.results.plan import running_versions
from tokenflow_sim.strategies.code import running_code
from tokenflow_sim.strategies.loading import held, load
from tokenflow_sim.study.code import check_played
from tokenflow_sim.study.local import ATTEMPTS, Pool, cores, dumps
from tokenflow_sim.study.task import Job, JobResult, Shared, dump_result, run_job

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

    def run(self, shared: Shared, jobs: Sequence[Job]) -> Iterator[JobResult]:
        """Play jobs; results come as they are ready.

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
            future = client.submit(_run_job, self._common, dumps(job), key=key, pure=False)
            running[future.key] = job
            return future

        threads = max(1, sum(client.nthreads().values()))
        first = [submit(job) for job in islice(waiting, AHEAD * threads)]
        # With its own loop: the client need not be the default one.
        futures = _distributed().as_completed(first, loop=client.loop)
        for future in futures:
            job = running.pop(future.key)
            result = _result_of(future, job)
            future.release()
            following = next(waiting, None)
            if following is not None:
                futures.add(submit(following))
            yield result


def _made_again(packed: bytes, names: Sequence[str]) -> Any:
    """Unpickle what jobs share; modules that were edited since the worker imported them are reloaded first."""
    for name in names:
        if name in sys.modules:
            with suppress(Exception):  # the run that needs it says what is wrong
                load(name)
    return pickle.loads(packed)


def _run_job(shared: Shared, packed: bytes) -> bytes:
    """Play one job on a worker; the result is packed there, so that the scheduler need not know its classes."""
    return dump_result(run_job(shared, pickle.loads(packed)))


def _result_of(future: Any, job: Job) -> JobResult:
    if future.status == "cancelled":
        raise ResultError(
            "the scheduler of the cluster is gone, or forgot the study; what was finished is kept where it has an"
            " output: start the cluster again and resume (--resume)"
        )
    if future.status == "error":
        error = future.exception()
        if isinstance(error, _distributed().KilledWorker):
            message = f"the workers that played it died {ATTEMPTS} times or more ({error})".partition("\n")[0]
            return JobResult(job.position, None, "LostWorker", message)
        return JobResult(job.position, None, type(error).__name__, f"on a worker of the cluster: {error}")
    result: JobResult = pickle.loads(future.result())
    return result


Progress = Callable[[int, int], object]
"""Called after each run with the number of runs done and of all."""


class _Backend(Protocol):
    def run(self, shared: Shared, jobs: Sequence[Job]) -> Iterator[JobResult]:
        """Play jobs; results come as they are ready."""
        ...

    def close(self) -> None:
        """Let go of what plays them."""
        ...


class Executor:
    """Plays batches of jobs; processes that were started for one batch serve the next ones.

    Parameters
    ----------
    workers : int or None
        Processes on this machine: 1 plays in this one, None uses as many as there are cores.
    client : distributed.Client, optional
        A Dask cluster to play on, in place of local processes.

    Raises
    ------
    InputError
        If `workers` is no positive number.
    """

    def __init__(self, workers: int | None = 1, client: Client | None = None) -> None:
        faults: list[Fault] = []
        check_workers(workers, faults)
        if faults:
            raise InputError(faults, "runner")
        self.workers = workers
        self.client: Any = client
        self._backend: _Backend | None = None

    def __enter__(self) -> Self:
        """Return the executor; processes start with the first jobs."""
        return self

    def __exit__(self, *error: object) -> None:
        """End all processes that were started."""
        if self._backend is not None:
            self._backend.close()

    @property
    def size(self) -> int:
        """How many jobs are played at once."""
        if self.client is not None:
            return max(1, int(sum(self.client.nthreads().values())))
        return cores() if self.workers is None else self.workers

    def run(self, shared: Shared, jobs: Sequence[Job]) -> Iterator[JobResult]:
        """Play jobs; results come as they are ready, and bring the same bits wherever they were played.

        Parameters
        ----------
        shared : Shared
            What they have in common; sent again only where it is another object than the last time.
        jobs : sequence of Job
            The jobs.

        Raises
        ------
        ResultError
            If a worker runs other versions of the program or other code of a strategy, no process can be started, or
            the cluster is lost.
        """
        alone = self.client is None and min(self.size, len(jobs)) <= 1
        results = (run_job(shared, job) for job in jobs) if alone else self._started().run(shared, jobs)
        here = json.loads(running_code() or "{}")
        with held():
            for result in results:
                _check_versions(result)
                if not alone:
                    check_played(here, result.code)
                yield result

    def _started(self) -> _Backend:
        if self._backend is None:
            if self.client is not None:
                self._backend = Cluster(self.client)
            else:
                self._backend = Pool(self.size)
        return self._backend


def check_workers(workers: object, faults: list[Fault]) -> None:
    """Add a fault unless it is a number of processes, or None."""
    if workers is not None and (isinstance(workers, bool) or not isinstance(workers, int) or workers < 1):
        text = f"is a whole number from 1 on, or None for all cores; found {workers!r}"
        faults.append(Fault(text, "workers"))


def _check_versions(result: JobResult) -> None:
    """Refuse results of another stack: its results would not be those of this one."""
    if result.versions != running_versions():
        raise ResultError(
            "a worker runs other versions of the program than this process, so that its results need not be the"
            f" same; install the same everywhere.\n  here:   {running_versions()}\n  worker: {result.versions}"
        )
