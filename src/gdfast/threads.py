"""Threads that share a job for as long as a call lasts."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType


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
        Whether a part of the job has failed, or Ctrl-C was pressed; parts that take
        long look at it.
    """

    def __init__(self, n_threads: int | None = 1) -> None:
        self.n_threads = n_threads
        self.stopped = False
        self._threads: list[threading.Thread] = []
        self._work: deque[int] = deque()
        self._task: Callable[[int], object] | None = None
        self._start = threading.Semaphore(0)
        self._done = threading.Semaphore(0)
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
        self._task = None
        for _ in self._threads:
            self._start.release()
        for thread in self._threads:
            thread.join()

    def run(self, task: Callable[[int], object], count: int) -> None:
        """Call ``task(k)`` once for every k below `count`, in any order.

        Parameters
        ----------
        task : callable
            Releases the GIL where it works, or threads gain nothing.
        count : int
            Number of parts.

        Raises
        ------
        BaseException
            What a part raised; parts that had not begun are left out then.
        """
        if count > 1 and self.n_threads is None:
            self.n_threads = available_cores()
        helpers = min(self.n_threads or 1, count) - 1
        if helpers < 1:
            for k in range(count):
                task(k)
            return
        while len(self._threads) < helpers:
            thread = threading.Thread(target=self._help, name="gdfast", daemon=True)
            thread.start()
            self._threads.append(thread)
        self._task, self._error, self.stopped = task, None, False
        self._work.extend(range(count))
        self._start.release(helpers)
        try:
            self._do_parts(task)
        finally:
            for _ in range(helpers):
                self._done.acquire()
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
                self._error = error
            self._done.release()

    def _do_parts(self, task: Callable[[int], object]) -> None:
        """Do parts until none is left."""
        try:
            while self._work:
                try:
                    part = self._work.popleft()
                except IndexError:  # another thread was faster
                    return
                task(part)
        except BaseException:
            self.stopped = True
            self._work.clear()
            raise


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
