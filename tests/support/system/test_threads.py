"""Compiled kernels use one thread on any number of cores."""

import os
import subprocess
import sys


def test_kernels_use_one_thread_of_blas_whatever_the_environment_says():
    code = """
import roma.nets.ops.trunk
from threadpoolctl import threadpool_info
libraries = [each for each in threadpool_info() if each["user_api"] == "blas"]
assert any("scipy.libs" in each["filepath"] or "libscipy_openblas" in each["filepath"] for each in libraries), libraries
assert all(each["num_threads"] == 1 for each in libraries), libraries
"""
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
