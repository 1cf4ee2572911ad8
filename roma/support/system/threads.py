"""Threads of the linear algebra that compiled kernels call."""

from functools import cache

import scipy.linalg.cython_blas  # noqa: F401  (the library that Numba's np.dot calls must be loaded to be limited)
from threadpoolctl import threadpool_limits


@cache
def one_blas_thread() -> None:
    """Let NumPy's and SciPy's BLAS compute with one thread for the rest of the process.

    By default each starts as many as there are cores. Products this small gain nothing from them, beside other
    processes they are tens of times slower, and last bits would depend on the number of cores.
    """
    threadpool_limits(1, user_api="blas")
