"""Some training pictures as the detector or the verifier sees them, for calibration."""

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from detect import letterbox
from network import NANO
from pack import label_rows, read_labels
from verifier import KINDS, PAD, crop, tensor

PICTURES = 200


def arguments(does: str) -> argparse.Namespace:
    """Of a script that makes one network of another and needs such pictures for it."""
    parser = argparse.ArgumentParser(description=does)
    parser.add_argument("model", type=Path)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--pack", type=Path, help="packed pictures, for the detector")
    which.add_argument("--data", type=Path, help="folder with labels.jsonl and images/, for the verifier")
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


def inputs(args: argparse.Namespace) -> Iterator[np.ndarray]:
    """As [1, 3, height, width], 0 to 255."""
    return of_pack(args.pack, NANO.width, NANO.height) if args.pack else of_data(args.data)


def of_pack(pack: Path, width: int, height: int) -> Iterator[np.ndarray]:
    """Every so manieth training picture, as the server would show it."""
    file = np.load(pack)
    coded = np.split(file["bytes"], file["ends"][:-1])
    chosen = coded[:: max(1, len(coded) // PICTURES)]
    return (letterbox(cv2.imdecode(c, cv2.IMREAD_COLOR), width, height, PAD)[0] for c in chosen)


def of_data(data: Path) -> Iterator[np.ndarray]:
    """The labelled faces and people of every so manieth training picture, as the verifier would see them."""
    entries = read_labels(data, "train")
    for entry in entries[:: max(1, len(entries) // PICTURES)]:
        picture = cv2.imread(str(data / entry["file"]), cv2.IMREAD_COLOR)
        for row in label_rows(entry):
            if int(row[4]) in KINDS and (seen := crop(picture, row[:4])) is not None:
                yield tensor([seen])
