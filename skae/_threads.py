"""Run a function on parts of the samples, in threads."""

import functools
import os
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from sklearn.utils import gen_batches
from threadpoolctl import ThreadpoolController


def map_chunks(function, n_samples, chunk_size):
    """Call a function for slices of the samples, on all cores.

    As many threads are used as NumPy's BLAS may use, which joblib's workers and
    threadpoolctl limit; BLAS itself has one thread meanwhile. Where a program has
    threads of its own, each of them calls the function for one slice after another.

    Parameters
    ----------
    function : callable
        Takes a slice.
    n_samples, chunk_size : int
        Samples in all and for each call, but for the last one.

    Yields
    ------
    object
        What `function` returns, in the order of the slices.
    """
    with one_thread_each() as n_threads:
        if n_samples <= chunk_size or n_threads == 1 or not is_main_thread():
            yield from map_in_order(function, n_samples, chunk_size)
            return
        with ThreadPoolExecutor(n_threads, initializer=_limit_openmp) as executor:
            running = deque()
            try:
                for chunk in gen_batches(n_samples, chunk_size):
                    running.append(executor.submit(function, chunk))
                    # A few wait for their turn, so that results need little memory.
                    if len(running) > 2 * n_threads:
                        yield running.popleft().result()
                while running:
                    yield running.popleft().result()
            finally:
                for future in running:
                    future.cancel()


def is_main_thread():
    """Check whether this is the main thread of the process."""
    return threading.current_thread() is threading.main_thread()


def map_in_order(function, n_samples, chunk_size):
    """Call a function for slices of the samples, one after another.

    Parameters
    ----------
    function, n_samples, chunk_size : callable, int, int
        As `map_chunks` takes them.

    Returns
    -------
    iterator
        What `function` returns.
    """
    return map(function, gen_batches(n_samples, chunk_size))


class _OneThreadEach:
    """Context in which BLAS and OpenMP have one thread, for threads that share cores.

    A product that BLAS splits ends when the last of its threads does, so a single row
    would wait where other processes use the cores; and the last digits of results would
    depend on the number of threads.

    The limit of BLAS belongs to the process, from the first thread that enters until
    the last one leaves; that of OpenMP belongs to a thread. They are set through the
    libraries themselves: contexts of threadpoolctl take longer, and would have to be
    left by the thread that entered first. Entering returns the number of
    threads that BLAS has outside.
    """

    def __init__(self):
        if hasattr(os, "register_at_fork"):  # not on Windows
            os.register_at_fork(after_in_child=self._begin_in_child)
        self._begin()

    def _begin(self):
        self._lock = threading.Lock()
        self._n_inside = 0
        self._outside = []
        self._n_threads = 1

    def _begin_in_child(self):
        """Lift the limit in a forked process, which has none of the other threads."""
        outside = self._outside
        self._begin()
        _set_threads(outside)

    @contextmanager
    def __call__(self):
        openmp = _limited("openmp")
        with self._lock:
            if not self._n_inside:
                self._n_threads = _count_threads()
                self._outside = _limited("blas")
            self._n_inside += 1
            n_threads = self._n_threads
        try:
            yield n_threads
        finally:
            with self._lock:
                # A thread that forked while it was inside leaves once too often.
                self._n_inside = max(self._n_inside - 1, 0)
                if not self._n_inside:
                    outside, self._outside = self._outside, []
                    _set_threads(outside)
            _set_threads(openmp)


one_thread_each = _OneThreadEach()


@functools.cache
def _libraries(user_api):
    return ThreadpoolController().select(user_api=user_api).lib_controllers


def _count_threads():
    counts = (library.get_num_threads() for library in _libraries("blas"))
    return max((count for count in counts if count), default=1)


def _limited(user_api):
    """Limit libraries to one thread; return those that had more, and how many."""
    before = []
    for library in _libraries(user_api):
        n_threads = library.get_num_threads()
        if n_threads is not None and n_threads > 1:
            before.append((library, n_threads))
            _set_threads([(library, 1)])
    return before


def _set_threads(libraries):
    for library, n_threads in libraries:
        library.set_num_threads(n_threads)
        # Otherwise threadpoolctl lets no other thread set limits any more.
        getattr(library, "clear_controlling_thread", bool)()


def _limit_openmp():
    """Limit OpenMP to one thread for the calling thread."""
    _limited("openmp")
