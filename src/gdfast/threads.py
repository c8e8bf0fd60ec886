"""Threads that share a job for as long as a call lasts."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Team:
    """The calling thread and some more, which do the parts of a job.

    Use it in a ``with`` block: threads are started by the first job that has parts for
    them, and none is left when the block ends. So there is nothing that a fork could
    leave behind.

    Parameters
    ----------
    n_threads : int or None
        Largest number of threads, the calling one among them; None for as many as this
        process may use cores.

    Attributes
    ----------
    stopped : bool
        Whether a part of a job has failed, or Ctrl-C was pressed; parts that take long
        look at it. The team does nothing more then.
    """

    def __init__(self, n_threads: int | None = 1) -> None:
        self.n_threads = n_threads
        self.stopped = False
        self._threads: list[threading.Thread] = []
        self._task: Callable[[int], None] | None = None
        self._error: BaseException | None = None

    def __enter__(self) -> Team:
        """Return the team."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the threads."""
        self.end()

    def end(self) -> None:
        """End the threads, and be ready for another job, whatever became of the last.

        Until then a team whose job was interrupted does nothing more.
        """
        if not self._threads:
            self.stopped = False
            return
        # Ctrl-C may leave Thread.start before the thread has begun, or, hardly ever,
        # before it is made; one that has begun lives until it is told to end.
        patience = time.monotonic() + 1.0
        while not all(thread.is_alive() for thread in self._threads):
            if time.monotonic() > patience:
                break
            time.sleep(0.001)
        alive = [thread for thread in self._threads if thread.is_alive()]
        self._task = None
        self._start.release(len(self._threads))
        for thread in alive:
            thread.join()
        self._threads = []
        self.stopped = False

    @property
    def size(self) -> int:
        """The largest number of threads."""
        if self.n_threads is None:
            self.n_threads = available_cores()
        return self.n_threads

    def map(self, task: Callable[[T], R], parts: Sequence[T]) -> list[R]:
        """Return ``[task(part) for part in parts]``, worked out in any order.

        Parameters
        ----------
        task : callable
            Releases the GIL where it works, or threads gain nothing.
        parts : sequence
            What it is called with.

        Returns
        -------
        list
            The results, in the order of `parts`.

        Raises
        ------
        BaseException
            What a call raised; parts that had not begun are left out then.
        """
        if len(parts) == 1:
            return [task(parts[0])]
        results: dict[int, R] = {}

        def do(k: int) -> None:
            results[k] = task(parts[k])

        self._run(do, len(parts))
        return [results[k] for k in range(len(parts))]

    def _run(self, task: Callable[[int], None], count: int) -> None:
        """Call ``task(k)`` once for every k below `count`."""
        helpers = min(self.size, count) - 1
        if helpers < 1:
            for k in range(count):
                task(k)
            return
        if not self._threads:
            self._start, self._done = threading.Semaphore(0), threading.Semaphore(0)
        while len(self._threads) < helpers:
            thread = threading.Thread(target=self._help, name="gdfast", daemon=True)
            self._threads.append(thread)  # before Ctrl-C may interrupt its start
            try:
                thread.start()
            except RuntimeError:  # the system has no more threads
                self._threads.pop()
                helpers = len(self._threads)
                break
        self._task, self._work, self._error = task, deque(range(count)), None
        try:
            if helpers:
                self._start.release(helpers)
            self._do_parts(task)
            for _ in range(helpers):
                self._done.acquire()
        except BaseException:
            self.stopped = True
            raise
        if self._error is not None:
            raise self._error

    def _help(self) -> None:
        """Do parts of one job after the other until there is none."""
        while True:
            self._start.acquire()
            task = self._task
            if task is None:
                return
            try:
                self._do_parts(task)
            except BaseException as error:  # raised again where the job was given
                self.stopped = True
                self._error = error
            self._done.release()

    def _do_parts(self, task: Callable[[int], None]) -> None:
        """Do parts until none is left."""
        while not self.stopped:
            try:
                part = self._work.popleft()
            except IndexError:
                return
            task(part)


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
