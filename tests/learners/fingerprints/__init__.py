"""Fingerprints of short runs: the guard of the algorithms' version numbers.

python -m tests.learners.fingerprints check [ALGORITHM ...]     compare with tests/golden/fingerprints.json
python -m tests.learners.fingerprints write [ALGORITHM ...]     record what is new or whose version was raised

Without names both take all algorithms, two minutes of processor time. A version belongs to a registered algorithm (a
name in `roma.learners.algorithm_names()`), also where several share code: a change of the networks of `qmix` that
`qmix_lar` does not have leaves the runs of `qmix_lar` valid. An arm of a scale file has the version of its algorithm,
whose fingerprint includes the switches that such arms turn.
"""

import roma  # noqa: F401  (before NumPy and torch: it removes the variables that choose their kernels)
