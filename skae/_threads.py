"""Run a function on parts of the samples, in threads."""

import functools
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

from sklearn.utils import gen_batches
from threadpoolctl import ThreadpoolController


def map_chunks(function, n_samples, chunk_size):
    """Call a function for slices of the samples, on all cores.

    As many threads are used as NumPy's BLAS may use, which joblib's workers and
    threadpoolctl limit; BLAS itself has one thread meanwhile. That belongs to the whole
    process, so only its main thread does so: where a program has threads of its own,
    each of them calls the function for one slice after another.

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
    if n_samples <= chunk_size or not is_main_thread():
        yield from map_in_order(function, n_samples, chunk_size)
        return
    blas = _controller().select(user_api="blas")
    n_threads = max((pool["num_threads"] for pool in blas.info()), default=1)
    with (
        blas.limit(limits=1),
        ThreadPoolExecutor(n_threads, initializer=_limit_openmp) as executor,
    ):
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

    The limit of BLAS belongs to the process, from the first thread that enters until
    the last one leaves. threadpoolctl lets it be lifted only by the thread that set it,
    which is another one therefore.
    """

    def __init__(self):
        self._lock = threading.Lock()
        self._n_inside = 0
        self._keeper = None
        self._limit = None

    @contextmanager
    def __call__(self):
        with self._lock:
            if not self._n_inside:
                self._keeper, self._limit = ThreadPoolExecutor(1), ExitStack()
                blas = _controller().select(user_api="blas")
                self._keeper.submit(
                    lambda: self._limit.enter_context(blas.limit(limits=1))
                ).result()
            self._n_inside += 1
        try:
            with _controller().select(user_api="openmp").limit(limits=1):
                yield
        finally:
            with self._lock:
                self._n_inside -= 1
                if not self._n_inside:
                    self._keeper.submit(self._limit.close).result()
                    self._keeper.shutdown()


one_thread_each = _OneThreadEach()


@functools.cache
def _controller():
    return ThreadpoolController()


def _limit_openmp():
    """Limit OpenMP, as scikit-learn uses it, to one thread for the calling thread."""
    _controller().limit(limits=1, user_api="openmp")
