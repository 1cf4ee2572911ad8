"""Write aggregates.json: scores, and what rliable 1.2.0 returns for them.

Run in an environment of its own (rliable==1.2.0, arch<7.2, pandas<3, numpy<2.3); it takes a minute.
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from rliable import library, metrics

REPETITIONS = {"aggregates": 50_000, "improvement": 10_000, "profile": 10_000}
THRESHOLDS = np.linspace(0, 1, 11)


def invented(rng, levels, deviation, seeds):
    """Win rates of 24 episodes, (seeds, tasks)."""
    return np.round(np.clip(rng.normal(levels, deviation, (seeds, 4)), 0, 1) * 24) / 24


def main():
    rng = np.random.default_rng(21)
    scores = {
        "first": invented(rng, [0.9, 0.6, 0.4, 0.2], 0.15, 5),
        "second": invented(rng, [0.85, 0.5, 0.2, 0.05], 0.15, 5),
        "third": invented(rng, [0.7, 0.5, 0.3, 0.1], 0.2, 3),
    }
    pairs = {f"first,{name}": (scores["first"], scores[name]) for name in ("second", "third")}
    found = {
        "interquartile_mean": estimates(scores, metrics.aggregate_iqm, REPETITIONS["aggregates"]),
        "probability_of_improvement": estimates(pairs, metrics.probability_of_improvement, REPETITIONS["improvement"]),
    }
    values, intervals = library.create_performance_profile(scores, THRESHOLDS, reps=REPETITIONS["profile"])
    found["performance_profile"] = {
        name: {"value": values[name].tolist(), "low": intervals[name][0].tolist(), "high": intervals[name][1].tolist()}
        for name in scores
    }
    source = {name: version(name) for name in ("rliable", "arch", "numpy", "pandas")}
    source |= {"python": sys.version.split()[0], "repetitions": REPETITIONS, "level": 0.95}
    stored = {name: values.tolist() for name, values in scores.items()}
    written = {"source": source, "scores": stored, "thresholds": THRESHOLDS.tolist(), **found}
    Path(__file__).with_name("aggregates.json").write_text(json.dumps(written, indent=1) + "\n")


def estimates(groups, statistic, repetitions):
    """Return a statistic of each group with its interval."""
    state = np.random.RandomState(0)
    values, intervals = library.get_interval_estimates(groups, statistic, reps=repetitions, random_state=state)
    return {
        name: {"value": float(values[name]), "low": float(intervals[name][0, 0]), "high": float(intervals[name][1, 0])}
        for name in groups
    }


if __name__ == "__main__":
    main()
