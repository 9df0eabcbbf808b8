"""From the labelled pictures to the ONNX files, in one go. See README.md."""

import argparse
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Part:
    """Of the training. Those after the first go on from good weights, at half the rate."""

    mix: str
    rate: float
    # Share of a batch that is shown to the teachers.
    imitated: float
    # The first made picture and how many; other numbers are other pictures.
    made: tuple[int, int]
    plan: str = "nano"


FIRST = (0, 4000)
PARTS = (
    Part("plain", 2e-3, 1.0, FIRST),
    Part("bodies", 1e-3, 1.0, FIRST),
    Part("bodies", 1e-3, 0.5, (4000, 3000)),
    Part("bodies", 1e-3, 0.5, (8000, 4000), "large"),
)
# Pictures seen and most minutes, of each part; batch. Two cores have no time for the last part.
GPU = ((334_000, 270_000, 789_000, 1_438_000), (60, 30, 60, 60), 256)
CPU = ((45_000, 25_000, 45_000), (28, 15, 22), 64)


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
    teachers, whole, packs = args.shared / "models", args.out / "pingan_nano.onnx", {}
    pack, weights = None, None
    for i, (part, pictures, most) in enumerate(zip(PARTS[: len(seen)], seen, minutes, strict=True)):
        if part.made not in packs:
            first, made = part.made
            source = ("--again", pack) if pack else ("--data", args.shared / "train")
            packs[part.made] = args.out / f"pack{first}.npz"
            run("pack.py", *source, "--first", first, "--made", made, "--out", packs[part.made])
            pack = pack or packs[part.made]
        start, weights = ("--start", weights) if weights else (), args.out / f"part{i}.pt"
        run("train.py", "--pack", packs[part.made], "--models", teachers, *start, "--plan", part.plan,
            "--mix", part.mix, "--rate", part.rate, "--imitated", part.imitated, "--batch", batch,
            "--seed", args.seed + i, "--seen", pictures, "--minutes", most, "--out", weights)  # fmt: skip
    run("export.py", "--weights", weights, "--plan", "nano", "--out", whole)
    verifier = args.out / "pingan_nano_verifier.onnx"
    run("train_verifier.py", whole, "--data", args.shared / "train", "--out", verifier)
    rounded, fitted, small = (args.out / name for name in ("rounded.onnx", "fitted.onnx", "pingan_nano_int8.onnx"))
    run("quantise.py", whole, "--pack", pack, "--out", rounded)
    run("fit_int8.py", whole, rounded, "--pack", pack, "--out", fitted)
    run("arrange.py", fitted, "--pack", pack, "--out", small)
    small_verifier = args.out / "pingan_nano_int8_verifier.onnx"
    run("quantise.py", verifier, "--data", args.shared / "train", "--out", rounded)
    run("arrange.py", rounded, "--data", args.shared / "train", "--out", small_verifier)
    rounded.unlink()
    fitted.unlink()
    run("latency.py", teachers / "yunet_n_dynamic.onnx", whole, small, verifier, small_verifier,
        teachers / "yolox_nano.onnx")  # fmt: skip
    run("evaluate.py", whole, small, "--shared", args.shared, "--json", args.out / "figures.json")


if __name__ == "__main__":
    main()
