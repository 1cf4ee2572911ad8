"""Short runs, which test everything around learning."""

import signal

from roma.runs import loop, training
from roma.runs.config import canonical_options, resolve
from roma.runs.directory import RunDirectory
from roma.runs.loop import Run
from roma.runs.training import train
from roma.support.system.provenance import describe

TOTAL_STEPS = 1600
MILESTONES = (0, 800, 5000)
SETTINGS = {
    "parallel_envs": 4,
    "batch_size": 8,
    "buffer_size": 30,  # wraps around during the run, in the middle of a round
    "test_interval": 400,
    "test_episodes": 6,
    "parallel_test_envs": 3,
    "hidden_dim": 8,
    "mixer_embed_dim": 8,
    "target_update_episodes": 20,
}
CONFIG = resolve("3m", "roma", 3, overrides=SETTINGS)
QMIX = resolve("3m", "qmix", 3, overrides=SETTINGS)
MAVEN = resolve("3m", "maven", 3, overrides=SETTINGS)
ON_POLICY = {"batch_size": 4, "buffer_size": 4, "critic_hidden": 8, "target_update_steps": 100}
NOT_COMA = ("mixer_embed_dim", "target_update_episodes")
COMA_SETTINGS = {name: value for name, value in SETTINGS.items() if name not in NOT_COMA} | ON_POLICY
COMA = resolve("3m", "coma", 3, overrides=COMA_SETTINGS)


def results(directory):
    """Return the bytes of the files that are compared: metrics and policies."""
    files = [directory / "metrics.parquet", *sorted((directory / "policies").iterdir())]
    return {path.name: path.read_bytes() for path in files}


def run(directory, total_steps=TOTAL_STEPS, config=CONFIG, **options):
    directory.mkdir(exist_ok=True)
    return train(config, directory, total_steps, MILESTONES, **options)


def arguments(directory, total_steps, config=CONFIG):
    """Return the arguments of `roma` for the same run, with a checkpoint after each round."""
    options = [*canonical_options(config), "--steps", str(total_steps), "--milestones", ",".join(map(str, MILESTONES))]
    return ["train", *options, "--checkpoint-seconds", "0", "--out", str(directory)]


def stop_in_round(monkeypatch, number, *signal_numbers):
    """Raise signals, by default SIGTERM, in the given round of the next run."""
    original, rounds = Run._play_round, iter(range(1, number + 1))

    def play_round(self, bar):
        if next(rounds, None) == number:
            for signal_number in signal_numbers or (signal.SIGTERM,):
                signal.raise_signal(signal_number)
        original(self, bar)

    monkeypatch.setattr(Run, "_play_round", play_round)


def describe_as(monkeypatch, **facts):
    """Let runs describe themselves with other facts, as on another machine or at another revision."""
    for module in (loop, training):
        monkeypatch.setattr(module, "describe", lambda: describe() | facts)


def everything(directory):
    """Return the bytes of all files of a complete run except log, progress and checkpoints."""
    files = RunDirectory(directory)
    left_out = (files.log_file, files.progress_file)
    return {
        path: path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path not in left_out and files.checkpoint_folder not in path.parents
    }
