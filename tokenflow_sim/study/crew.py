"""Where the jobs of a study are played: in this process, on processes of this machine, or on a Dask cluster."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, Self

from tokenflow_sim.errors import Fault, InputError, ResultError
from tokenflow_sim.results.plan import running_versions
from tokenflow_sim.strategies.code import running_code
from tokenflow_sim.strategies.loading import held
from tokenflow_sim.study.code import check_played
from tokenflow_sim.study.play import Answer, Job, Shared, play

if TYPE_CHECKING:
    from distributed import Client

Progress = Callable[[int, int], object]
"""Called after each run with the number of runs done and of all."""


class _Players(Protocol):
    def play(self, shared: Shared, jobs: Sequence[Job]) -> Iterator[Answer]:
        """Play jobs; answers come as they are ready."""
        ...

    def close(self) -> None:
        """Let go of what plays them."""
        ...


class Crew:
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
        self._players: _Players | None = None

    def __enter__(self) -> Self:
        """Return the crew; processes start with the first jobs."""
        return self

    def __exit__(self, *error: object) -> None:
        """End all processes that were started."""
        if self._players is not None:
            self._players.close()

    @property
    def size(self) -> int:
        """How many jobs are played at once."""
        if self.client is not None:
            return max(1, int(sum(self.client.nthreads().values())))
        from tokenflow_sim.study.local import cores

        return cores() if self.workers is None else self.workers

    def play(self, shared: Shared, jobs: Sequence[Job]) -> Iterator[Answer]:
        """Play jobs; answers come as they are ready, and bring the same bits wherever they were played.

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
        answers = (play(shared, job) for job in jobs) if alone else self._hired().play(shared, jobs)
        here = json.loads(running_code() or "{}")
        with held():
            for answer in answers:
                _check_versions(answer)
                if not alone:
                    check_played(here, answer.code)
                yield answer

    def _hired(self) -> _Players:
        if self._players is None:
            if self.client is not None:
                from tokenflow_sim.study.cluster import Cluster

                self._players = Cluster(self.client)
            else:
                from tokenflow_sim.study.local import Pool

                self._players = Pool(self.size)
        return self._players


def check_workers(workers: object, faults: list[Fault]) -> None:
    """Add a fault unless it is a number of processes, or None."""
    if workers is not None and (isinstance(workers, bool) or not isinstance(workers, int) or workers < 1):
        text = f"is a whole number from 1 on, or None for all cores; found {workers!r}"
        faults.append(Fault(text, "workers"))


def _check_versions(answer: Answer) -> None:
    """Refuse answers of another stack: its results would not be those of this one."""
    if answer.versions != running_versions():
        raise ResultError(
            "a worker runs other versions of the program than this process, so that its results need not be the"
            f" same; install the same everywhere.\n  here:   {running_versions()}\n  worker: {answer.versions}"
        )
