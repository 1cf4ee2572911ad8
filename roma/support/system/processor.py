"""Family of the processor: numerical libraries choose kernels by instruction set, and kernels round differently.

Environment variables can override the choice of kernels, and some machines set them. A run under such variables would
not have the numbers of its processor family.
"""

import hashlib
import os
import platform
from collections.abc import MutableMapping
from pathlib import Path

OVERRIDES = ("ATEN_", "MKL_", "NPY_DISABLE_CPU_FEATURES", "NPY_ENABLE_CPU_FEATURES", "NUMBA_CPU_", "OPENBLAS_")
FLAGS_LENGTH = 8  # hexadecimal digits of the digest of the processor's flags


def ignore_overrides(environment: MutableMapping[str, str] = os.environ) -> None:
    """Remove all variables that choose kernels of the BLAS libraries, torch, NumPy or Numba.

    OpenBLAS is limited to one thread. Call this before these libraries are loaded: afterwards it has no effect on them.
    """
    for name in [name for name in environment if name.startswith(OVERRIDES)]:
        del environment[name]
    environment["OPENBLAS_NUM_THREADS"] = "1"


def facts() -> dict[str, str]:
    """Return the entries of /proc/cpuinfo for the first processor; empty on systems other than Linux."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0].splitlines()
    except OSError:
        return {}
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def family() -> str:
    """Return the name of the processor family: the processors on which the libraries run the same machine code.

    The name consists of the vendor, by which MKL chooses kernels; the processor and a digest of the flags that LLVM
    compiles for; the capability of torch's kernels; and the core types of the loaded BLAS libraries.
    """
    import torch
    from llvmlite import binding
    from threadpoolctl import threadpool_info

    vendor = facts().get("vendor_id", platform.machine())
    flags = " ".join(sorted(name for name, present in binding.get_host_cpu_features().items() if present))
    digest = hashlib.sha256(flags.encode()).hexdigest()[:FLAGS_LENGTH]
    blas = sorted({each["architecture"] for each in threadpool_info() if each["user_api"] == "blas"})
    capability = torch.backends.cpu.get_cpu_capability()
    return " ".join([vendor, binding.get_host_cpu_name(), digest, capability, *blas])
