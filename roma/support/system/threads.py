"""Threads of the BLAS libraries that compiled kernels call."""

from functools import cache

import scipy.linalg.cython_blas  # noqa: F401  (the library that Numba's np.dot calls must be loaded to be limited)
from threadpoolctl import threadpool_limits


@cache
def one_blas_thread() -> None:
    """Limit NumPy's and SciPy's BLAS to one thread for the rest of the process.

    By default, each library starts one thread per core. Matrix products of this size gain nothing from more threads and
    become tens of times slower beside other processes. Their last bits would also depend on the number of cores.
    """
    threadpool_limits(1, user_api="blas")
