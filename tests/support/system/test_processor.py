"""Environment variables do not change the kernels that compute the numbers of a run."""

import os
import subprocess
import sys

from roma.support.system.processor import facts, family, ignore_overrides

OVERRIDES = {
    "OPENBLAS_CORETYPE": "Haswell",
    "OPENBLAS_NUM_THREADS": "2",
    "MKL_CBWR": "COMPATIBLE",
    "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
    "ATEN_CPU_CAPABILITY": "default",
    "NUMBA_CPU_NAME": "generic",
    "NUMBA_CPU_FEATURES": "",
}
PROGRAM = """
import roma
import scipy.linalg.cython_blas
from roma.support.system.processor import family
print(family())
"""


def test_overrides_are_removed_and_everything_else_is_kept():
    environment = OVERRIDES | {"NUMBA_CACHE_DIR": "here", "PATH": "there"}
    ignore_overrides(environment)
    assert environment == {"NUMBA_CACHE_DIR": "here", "PATH": "there", "OPENBLAS_NUM_THREADS": "1"}


def test_the_family_is_that_of_the_processor_whatever_the_environment_says():
    families = [
        subprocess.run([sys.executable, "-c", PROGRAM], env=environment, check=True, text=True, capture_output=True)
        for environment in (os.environ, os.environ | OVERRIDES)
    ]
    assert families[0].stdout == families[1].stdout
    vendor = facts().get("vendor_id")
    assert vendor is None or families[0].stdout.startswith(vendor)
    assert len(family().split()) >= 4
