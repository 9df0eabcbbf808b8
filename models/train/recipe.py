"""From the labelled pictures to the ONNX files, in one go. See README.md."""

import argparse
import subprocess
import sys
import time
from pathlib import Path

import torch

HERE = Path(__file__).resolve().parent
# The parts of the training: mix, highest rate, share shown to the teachers. Those after the first go on from
# good weights, at half the rate; the last one with other made pictures, numbered from LATER.
PARTS = (("plain", 2e-3, 1.0), ("bodies", 1e-3, 1.0), ("bodies", 1e-3, 0.5))
LATER, LATER_MADE = 4000, 3000
# Pictures seen and most minutes, of each part; batch.
GPU = ((334_000, 270_000, 789_000), (60, 30, 60), 256)
CPU = ((45_000, 25_000, 45_000), (45, 25, 35), 64)


def run(script: str, *args: object) -> None:
    print("+", script, *args, flush=True)
    begun = time.monotonic()
    subprocess.run([sys.executable, HERE / script, *map(str, args)], check=True)
    print(f"= {script}: {(time.monotonic() - begun) / 60:.1f} minutes", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, required=True, help="folder with train/, truth/, footage/, models/")
    parser.add_argument("--out", type=Path, required=True, help="folder for the packed pictures, weights and figures")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, help="of training at most, in all; fewer pictures are seen then")
    args = parser.parse_args()
    seen, minutes, batch = GPU if torch.cuda.is_available() else CPU
    share = min(1.0, args.minutes / sum(minutes)) if args.minutes else 1.0
    seen, minutes = [int(n * share) for n in seen], [m * share for m in minutes]
    teachers, pack, other = args.shared / "models", args.out / "pack.npz", args.out / "other.npz"
    weights, whole = [args.out / f"part{i}.pt" for i in range(len(PARTS))], args.out / "pingan_nano.onnx"
    run("pack.py", "--data", args.shared / "train", "--out", pack)
    run("pack.py", "--again", pack, "--first", LATER, "--made", LATER_MADE, "--out", other)
    for i, (mix, rate, imitated) in enumerate(PARTS):
        start = ("--start", weights[i - 1]) if i else ()
        run("train.py", "--pack", other if weights[i] is weights[-1] else pack, "--models", teachers, *start,
            "--mix", mix, "--rate", rate, "--imitated", imitated, "--batch", batch, "--seed", args.seed + i,
            "--seen", seen[i], "--minutes", minutes[i], "--out", weights[i])  # fmt: skip
    run("export.py", "--weights", weights[-1], "--out", whole)
    small = args.out / "pingan_nano_int8.onnx"
    run("quantise.py", whole, "--pack", pack, "--out", small)
    run("latency.py", teachers / "yunet_n_dynamic.onnx", whole, small, teachers / "yolox_nano.onnx")
    run("evaluate.py", whole, small, "--shared", args.shared, "--json", args.out / "figures.json")


if __name__ == "__main__":
    main()
