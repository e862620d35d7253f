# SPDX-License-Identifier: BSL-1.0
"""Python's pools under one interface, for the scripts of all questions that compare them."""

import concurrent.futures
import multiprocessing


def default_chunksize(count, workers):
    """What multiprocessing.Pool.map takes: four chunks for each worker."""
    return max(1, -(-count // (4 * workers)))


class Multiprocessing:
    """multiprocessing.Pool"""

    fewer = 1

    def __init__(self, workers):
        self.pool = multiprocessing.Pool(workers)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.pool.terminate()
        self.pool.join()

    def map(self, function, items, chunksize=None):
        return self.pool.map(function, items, chunksize)

    def imap(self, function, items):
        return list(self.pool.imap(function, items, chunksize=1))

    def apply_async(self, function, item):
        """Starts a task; what this returns waits for the result."""
        return self.pool.apply_async(function, (item,)).get

    def apply(self, function, item):
        return self.pool.apply(function, (item,))


class Executor:
    """concurrent.futures.ProcessPoolExecutor, with the chunks of multiprocessing.Pool in `map`."""

    fewer = 4

    def __init__(self, workers):
        self.workers = workers
        self.pool = concurrent.futures.ProcessPoolExecutor(workers)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.pool.shutdown()

    def map(self, function, items, chunksize=None):
        chunksize = chunksize or default_chunksize(len(items), self.workers)
        return list(self.pool.map(function, items, chunksize=chunksize))

    def imap(self, function, items):
        return list(self.pool.map(function, items, chunksize=1))

    def apply_async(self, function, item):
        return self.pool.submit(function, item).result

    def apply(self, function, item):
        return self.pool.submit(function, item).result()


class Loky:
    """joblib.Parallel with its processes, which stay from one call to the next. It only maps."""

    fewer = 10

    def __init__(self, workers):
        # Nobody else needs joblib, which takes long to import.
        import joblib

        self.joblib = joblib
        self.workers = workers

    def __enter__(self):
        return self

    def __exit__(self, *error):
        from joblib.externals.loky import get_reusable_executor

        get_reusable_executor(reuse=True).shutdown()

    def map(self, function, items, chunksize=None):
        parallel = self.joblib.Parallel(
            n_jobs=self.workers,
            backend="loky",
            batch_size=chunksize or default_chunksize(len(items), self.workers),
            pre_dispatch="all",
        )
        return parallel(self.joblib.delayed(function)(item) for item in items)
