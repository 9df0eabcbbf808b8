"""From the labelled pictures to the ONNX files, in one go. See README.md."""

import argparse
import subprocess
import sys
from pathlib import Path

import torch

HERE = Path(__file__).resolve().parent
# Pictures seen and most minutes, of the first and the second part of the training; batch.
GPU = ((602_000, 332_000), (60, 30), 128)
CPU = ((65_000, 40_000), (62, 38), 64)
# The second part goes on from good weights, at half the rate.
RATES = (2e-3, 1e-3)


def run(script: str, *args: object) -> None:
    print("+", script, *args, flush=True)
    subprocess.run([sys.executable, HERE / script, *map(str, args)], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, required=True, help="folder with train/, truth/, footage/, models/")
    parser.add_argument("--out", type=Path, required=True, help="folder for the packed pictures, weights and figures")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    seen, minutes, batch = GPU if torch.cuda.is_available() else CPU
    teachers, pack = args.shared / "models", args.out / "pack.npz"
    plain, weights, whole = args.out / "plain.pt", args.out / "weights.pt", args.out / "pingan_nano.onnx"
    run("pack.py", "--data", args.shared / "train", "--out", pack)
    common = ("--pack", pack, "--models", teachers, "--batch", batch, "--seed", args.seed)
    run("train.py", *common, "--mix", "plain", "--out", plain, "--seen", seen[0], "--minutes", minutes[0],
        "--rate", RATES[0])  # fmt: skip
    run("train.py", *common, "--mix", "bodies", "--start", plain, "--out", weights, "--seen", seen[1],
        "--minutes", minutes[1], "--rate", RATES[1])  # fmt: skip
    run("export.py", "--weights", weights, "--out", whole)
    small = args.out / "pingan_nano_int8.onnx"
    run("quantise.py", whole, "--pack", pack, "--out", small)
    run("latency.py", teachers / "yunet_n_dynamic.onnx", whole, small, teachers / "yolox_nano.onnx")
    run("evaluate.py", whole, small, "--shared", args.shared, "--json", args.out / "figures.json")


if __name__ == "__main__":
    main()
