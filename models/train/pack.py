"""Pictures and labels to one file: `pack.npz`.

Every picture is shrunk to at most SIDE pixels on its long side (no input that is trained on is wider) and
stored as WebP; every label becomes a row of numbers. Made pictures (figures.py) are added. Training then
needs this file alone.
"""

import argparse
import json
import multiprocessing
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from figures import made
from network import FACE, PERSON, VEHICLE

SIDE = 448
QUALITY = 78
# How many pictures with drawn people are added, and what they are drawn by.
MADE, SEED = 4000, 7
# COCO classes of the labels; -1 is a face among the `ignore` boxes. Teachers often exchange car, bus
# and truck, so all vehicles are one class.
CLASS = {-1: FACE, 0: PERSON, 1: VEHICLE, 2: VEHICLE, 3: VEHICLE, 5: VEHICLE, 7: VEHICLE}
# Columns of a label row.
COLUMNS = ("x1", "y1", "x2", "y2", "class", "ignore", "score")


def read_labels(data: Path, split: str) -> list[dict]:
    with open(data / "labels.jsonl") as lines:
        rows = [json.loads(line) for line in lines]
    return sorted((r for r in rows if r["split"] == split), key=lambda r: r["file"])


def label_rows(entry: dict, scale: float = 1.0) -> np.ndarray:
    """Label rows of one picture, coordinates times `scale`."""
    found = [(FACE, 0, *face) for face in entry["faces"]]
    found += [(CLASS[c], 0, *rest) for c, *rest in entry["objects"]]
    found += [(CLASS[c], 1, *rest) for c, *rest in entry["ignore"]]
    rows = [(x, y, x + w, y + h, c, ignore, score) for c, ignore, x, y, w, h, score in found]
    out = np.array(rows, np.float32).reshape(-1, len(COLUMNS))
    out[:, :4] *= scale
    return out


def shrink(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """By averaging the covered area, as the server does; enlarging interpolates."""
    small = width < picture.shape[1]
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA if small else cv2.INTER_LINEAR)


def pack_one(data: Path, entry: dict) -> tuple[bytes, np.ndarray, tuple[int, int]]:
    picture = cv2.imread(str(data / entry["file"]), cv2.IMREAD_COLOR)
    if picture is None:
        raise FileNotFoundError(data / entry["file"])
    scale = min(1.0, SIDE / max(picture.shape[:2]))
    h, w = (max(1, round(v * scale)) for v in picture.shape[:2])
    if scale < 1:
        picture = shrink(picture, w, h)
    return coded(picture), label_rows(entry, scale), (w, h)


def coded(picture: np.ndarray) -> bytes:
    ok, code = cv2.imencode(".webp", picture, [cv2.IMWRITE_WEBP_QUALITY, QUALITY])
    assert ok, "a picture does not encode"
    return code.tobytes()


def made_pictures(backgrounds: list[bytes], numbers: range) -> list[tuple[bytes, np.ndarray, tuple[int, int]]]:
    """People before these pictures (figures.py), drawn by all processor cores."""
    if not backgrounds:
        return []
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(mp_context=context, initializer=remember, initargs=(backgrounds,)) as pool:
        return list(pool.map(one_made, numbers, chunksize=8))


photos: list[np.ndarray] = []


def remember(backgrounds: list[bytes]) -> None:
    cv2.setNumThreads(1)
    photos.extend(cv2.imdecode(np.frombuffer(code, np.uint8), cv2.IMREAD_COLOR) for code in backgrounds)


def one_made(i: int) -> tuple[bytes, np.ndarray, tuple[int, int]]:
    picture, rows = made(np.random.default_rng((SEED, i)), photos)
    return coded(picture), rows, picture.shape[1::-1]


def real(data: Path, limit: int | None) -> list[tuple[bytes, np.ndarray, tuple[int, int]]]:
    entries = read_labels(data, "train")[:limit]
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda e: pack_one(data, e), entries))


def unpacked(file: Path) -> list[tuple[bytes, np.ndarray, tuple[int, int]]]:
    """The real pictures of an earlier pack."""
    old = np.load(file)
    codes = np.split(old["bytes"], old["ends"][:-1])
    labels = np.split(old["labels"], old["label_ends"][:-1])
    return [
        (c.tobytes(), rows, tuple(size))
        for c, rows, size, drawn in zip(codes, labels, old["sizes"], old["made"])
        if not drawn
    ]


def write(packed: list[tuple[bytes, np.ndarray, tuple[int, int]]], numbers: range, out: Path) -> None:
    drawn = made_pictures([code for code, rows, _ in packed if len(rows) == 0], numbers)
    codes, labels, sizes = zip(*packed, *drawn)
    out.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        out,
        bytes=np.frombuffer(b"".join(codes), np.uint8),
        ends=np.cumsum([len(c) for c in codes]),
        labels=np.concatenate(labels),
        label_ends=np.cumsum([len(r) for r in labels]),
        sizes=np.array(sizes, np.int32),
        made=np.arange(len(sizes)) >= len(packed),
    )
    print(f"{out}: {len(packed)} pictures, {len(drawn)} made, {out.stat().st_size / 1e6:.1f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", type=Path, help="folder with labels.jsonl and images/")
    source.add_argument("--again", type=Path, help="an earlier pack, to take its real pictures")
    parser.add_argument("--out", type=Path, required=True, help="the packed file to write")
    parser.add_argument("--limit", type=int, help="only so many pictures (for a trial)")
    parser.add_argument("--made", type=int, default=MADE, help=f"pictures to make; default {MADE}")
    parser.add_argument("--first", type=int, default=0, help="number of the first; others give other pictures")
    args = parser.parse_args()
    packed = real(args.data, args.limit) if args.data else unpacked(args.again)[: args.limit]
    write(packed, range(args.first, args.first + args.made), args.out)


if __name__ == "__main__":
    main()
