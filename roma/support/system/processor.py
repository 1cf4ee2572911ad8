"""Instruction sets of the processor, which decide how sums and products round.

The libraries that compute choose their kernels by the processor. Their choice can be overridden by environment
variables, which some machines set; with these a run would have other numbers than its processor's family promises.
"""

import hashlib
import os
import platform
from collections.abc import MutableMapping
from pathlib import Path

OVERRIDES = ("ATEN_", "MKL_", "NPY_DISABLE_CPU_FEATURES", "NPY_ENABLE_CPU_FEATURES", "NUMBA_CPU_", "OPENBLAS_")
FLAGS_LENGTH = 8  # hexadecimal digits that stand for the processor's flags


def ignore_overrides(environment: MutableMapping[str, str] = os.environ) -> None:
    """Remove all variables that choose kernels of the linear algebra, of torch, NumPy or Numba.

    OpenBLAS gets one thread, so that it starts no others. Libraries that are loaded already have read the variables.
    """
    for name in [name for name in environment if name.startswith(OVERRIDES)]:
        del environment[name]
    environment["OPENBLAS_NUM_THREADS"] = "1"


def facts() -> dict[str, str]:
    """Return what Linux says of the first processor; nothing on other systems."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0].splitlines()
    except OSError:
        return {}
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def family() -> str:
    """Return the name of all processors on which the libraries run the same machine code.

    It says the vendor, by which MKL chooses; the processor and a digest of the flags that LLVM compiles for; the
    capability of torch's kernels; and the core types of the BLAS libraries that are loaded. All are those in use.
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
