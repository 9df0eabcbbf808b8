"""CPU time of one call on one thread, of several models by turns, so that a busy machine slows all alike."""

import argparse
import time
from pathlib import Path

import numpy as np

import stem
from export import session

ROUNDS, CALLS = 10, 10


def measure(models: list[tuple[Path, tuple[int, int]]]) -> list[float]:
    """Median milliseconds of CPU per call; size (height, width) fills free dimensions."""
    lot, runs = np.random.default_rng(1), []
    for path, size in models:
        run = session(path)
        shape = [1, 3] + [v if isinstance(v, int) else s for v, s in zip(stem.size(run), size)]
        runs.append((run, stem.fed(run, lot.uniform(0, 255, shape).astype(np.float32))))
    times: list[list[float]] = [[] for _ in runs]
    for run, feed in runs:
        for _ in range(5):
            run.run(None, feed)
    for _ in range(ROUNDS):
        for (run, feed), mine in zip(runs, times):
            for _ in range(CALLS):
                begun = time.thread_time()
                run.run(None, feed)
                mine.append(time.thread_time() - begun)
    return [float(np.median(mine)) * 1e3 for mine in times]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", type=Path, nargs="+", help="the others' time is given relative to the first")
    parser.add_argument("--size", type=int, nargs=2, default=(192, 320), metavar=("HEIGHT", "WIDTH"))
    args = parser.parse_args()
    found = measure([(path, tuple(args.size)) for path in args.models])
    for path, ms in zip(args.models, found):
        print(f"{path.name:32} {ms:6.2f} ms  {ms / found[0]:5.2f}x")
