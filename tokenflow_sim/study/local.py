"""Playing jobs on processes of this machine."""

from __future__ import annotations

import importlib
import os
import pickle
import queue
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from multiprocessing import AuthenticationError, Pipe
from multiprocessing.connection import Connection, Listener, wait
from pathlib import Path
from typing import Any

from tokenflow_sim.disk import writing
from tokenflow_sim.errors import ResultError
from tokenflow_sim.pickling import culprit
from tokenflow_sim.study.task import Job, JobResult, Shared
from tokenflow_sim.study.worker import KEY, THREADS, Message

ATTEMPTS = 3
"""How often a run is given to a process where the one that played it died."""

AHEAD = 2
"""Jobs that a worker holds at once, so that it never waits for this process."""

_LONGEST_SOCKET = 100
"""Bytes that the name of a socket may have; Linux takes 107, others 103."""

_STARTING = (
    300.0  # seconds that a new process may take until it calls, on a machine that is short of everything
)


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def dumps(value: object) -> bytes:
    """Pickle by cloudpickle where that is installed: it also takes what a notebook or script defines.

    Raises
    ------
    ResultError
        If it cannot be pickled; what is in the way is named.
    """
    try:
        dumper, hint = importlib.import_module("cloudpickle").dumps, ""
    except ImportError:
        dumper, hint = pickle.dumps, ' (cloudpickle takes more: pip install "tokenflow-sim[study]")'
    try:
        packed: bytes = dumper(value)
    except Exception as error:  # what a user's own object raises
        raise ResultError(
            f"this cannot be sent to another process: {culprit(value, dumper)}{hint}; keep open files, locks and the"
            " like out of strategies, or play in this process (workers=1, --workers 1)"
        ) from error
    return packed


class _Worker:
    """One process, and the jobs it was given: the first is being played, the others wait in the pipe."""

    def __init__(self, process: subprocess.Popen[bytes], connection: Connection[Any, Any]) -> None:
        self.process, self.connection = process, connection
        self.given: deque[Job] = deque()

    def send(self, message: Message) -> None:
        with suppress(OSError):  # a process that died meanwhile is found where its result is awaited
            self.connection.send(message)

    def give(self, job: Job) -> None:
        self.given.append(job)
        self.send((job.position, dumps(job)))

    def receive(self) -> JobResult | None:
        """Return the next result, or None if the process died."""
        try:
            result: JobResult = pickle.loads(self.connection.recv_bytes())
        except (EOFError, OSError):
            return None
        self.given.popleft()
        return result


class Pool:
    """Processes of this machine that play jobs; they can be kept for several batches.

    Parameters
    ----------
    count : int
        How many processes.

    Notes
    -----
    The processes are started afresh, not forked (a copy of a process with threads may hang), with one thread for
    linear algebra each, and without importing the caller's script again, so that scripts need no guard around
    their main part. A process that dies is known together with the job that it played, which goes to a new one.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._key = secrets.token_bytes(32)
        with writing(tempfile.gettempdir()):
            self._folder = tempfile.TemporaryDirectory(prefix="tokenflow-")
            # A socket in a folder that only this user may enter; where there are none, a port of this machine.
            at: Any = self._socket_path() if os.name == "posix" else ("localhost", 0)
            self._listener = Listener(at, authkey=self._key)
        self._starting: dict[int, tuple[subprocess.Popen[bytes], float]] = {}
        self._workers: list[_Worker] = []
        self._connected: queue.SimpleQueue[tuple[int, Connection[Any, Any]]] = queue.SimpleQueue()
        self._wake_reader, self._wake_writer = Pipe(duplex=False)
        self._shared: object = None
        self._packed = b""
        threading.Thread(target=self._accept_connections, daemon=True).start()

    def _socket_path(self) -> str:
        """Return the name of a socket in a folder of its own; of the shared one where that name would be too long."""
        path = str(Path(self._folder.name) / "socket")
        if len(os.fsencode(path)) <= _LONGEST_SOCKET:
            return path
        self._folder.cleanup()
        self._folder = tempfile.TemporaryDirectory(prefix="tokenflow-", dir="/tmp")
        return str(Path(self._folder.name) / "socket")

    def __enter__(self) -> Pool:
        """Return the pool; processes start with the first jobs."""
        return self

    def __exit__(self, *error: object) -> None:
        """End all processes."""
        self.close()

    def close(self) -> None:
        """End all processes."""
        with suppress(OSError):
            self._listener.close()
        for worker in self._workers:
            worker.connection.close()  # an idle process ends at that
            if worker.given:
                worker.process.terminate()
        for process, _ in self._starting.values():
            process.terminate()
        for process in [*(w.process for w in self._workers), *(p for p, _ in self._starting.values())]:
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._workers, self._starting = [], {}
        with suppress(OSError):
            self._folder.cleanup()

    def run(self, shared: Shared, jobs: Sequence[Job]) -> Iterator[JobResult]:
        """Play jobs; results come as they are ready.

        Raises
        ------
        ResultError
            If no process can be started.
        """
        if shared is not self._shared:
            self._shared, self._packed = shared, dumps(shared)
            for worker in self._workers:
                worker.send((None, self._packed))
        # `left` counts results and not jobs: a job whose process died is given again and counts once.
        waiting, left, deaths = deque(jobs), len(jobs), dict[int, int]()
        while left:
            self._spawn(len(waiting))
            self._assign(waiting)
            # New processes are accepted in a thread, which writes to this pipe, so that one wait covers them and
            # all results. The timeout is for processes that die before they connect: no connection ends then.
            connections: list[Any] = [self._wake_reader, *(worker.connection for worker in self._workers)]
            ready = wait(connections, timeout=1.0)
            if self._wake_reader in ready:
                self._wake_reader.recv()
                self._register()
            for worker in [worker for worker in self._workers if worker.connection in ready]:
                result = worker.receive()
                if result is None:
                    result = self._reap(worker, waiting, deaths)
                elif waiting:
                    # At once, before the result is used: the process has one job ahead and never runs dry.
                    worker.give(waiting.popleft())
                if result is not None:
                    left -= 1
                    yield result

    def _spawn(self, waiting: int) -> None:
        """Start as many processes as there is work for, and see that those which start do."""
        for process, since in self._starting.values():
            if process.poll() is not None or time.monotonic() - since > _STARTING:
                raise ResultError(
                    f"a worker process could not be started (exit status {process.poll()}); look at what it printed"
                    " above, or play in one process (workers=1, --workers 1)"
                )
        # Processes that are starting count as idle, or every pass would start more for the same jobs.
        idle = sum(1 for worker in self._workers if not worker.given) + len(self._starting)
        while len(self._workers) + len(self._starting) < self.count and waiting > idle:
            self._launch()
            idle += 1

    def _launch(self) -> None:
        found = self._listener.address
        address = found if isinstance(found, str) else f"{found[0]}:{found[1]}"
        path = os.pathsep.join(part or os.getcwd() for part in sys.path)
        process = subprocess.Popen(
            [sys.executable, "-m", "tokenflow_sim.study.worker", address],
            stdin=subprocess.DEVNULL,
            env={**os.environ, **dict.fromkeys(THREADS, "1"), KEY: self._key.hex(), "PYTHONPATH": path},
        )
        self._starting[process.pid] = process, time.monotonic()

    def _accept_connections(self) -> None:
        """Accept new processes in a thread: a listener and connections cannot be waited for at once."""
        while True:
            try:
                connection = self._listener.accept()
                self._connected.put((connection.recv(), connection))
                self._wake_writer.send(None)
            except (AuthenticationError, EOFError):
                continue  # a stranger, or one that died at once
            except OSError:
                return  # closed

    def _register(self) -> None:
        pid, connection = self._connected.get()
        process, _ = self._starting.pop(pid)
        worker = _Worker(process, connection)
        worker.send((None, self._packed))
        self._workers.append(worker)

    def _assign(self, waiting: deque[Job]) -> None:
        """Give every process its first job before any gets one ahead."""
        for depth in range(AHEAD):
            for worker in self._workers:
                if waiting and len(worker.given) <= depth:
                    worker.give(waiting.popleft())

    def _reap(self, worker: _Worker, waiting: deque[Job], deaths: dict[int, int]) -> JobResult | None:
        """Forget a process that died, give its jobs back, and give up the one that it played if it kills."""
        self._workers.remove(worker)
        worker.connection.close()
        worker.process.kill()
        status = worker.process.wait()
        if not worker.given:
            return None
        # Only the first job can have killed the process: the others had not begun, and go back in their order.
        job, *others = worker.given
        waiting.extendleft(reversed(others))
        deaths[job.position] = deaths.get(job.position, 0) + 1
        if deaths[job.position] < ATTEMPTS:
            waiting.appendleft(job)
            return None
        message = (
            f"the process that played it died {ATTEMPTS} times (last exit status {status}; -9 is what a machine"
            " that is out of memory does)"
        )
        return JobResult(job.position, None, "LostWorker", message)
