"""Pictures and labels to one file: `pack.npz`.

Every picture is shrunk to at most SIDE pixels on its long side (the network's input is not wider) and
stored as WebP; every label becomes a row of numbers. Made pictures (figures.py) are added. Training then
needs this file alone.
"""

import argparse
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from figures import made
from network import FACE, PERSON, VEHICLE

SIDE = 384
QUALITY = 78
# How many pictures with drawn people are added, and what they are drawn by.
MADE, SEED = 500, 7
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


def made_pictures(data: Path, entries: list[dict], count: int) -> list[tuple[bytes, np.ndarray, tuple[int, int]]]:
    """Drawn people before pictures in which nobody saw anything."""
    empty = [e for e in entries if not (e["faces"] or e["objects"] or e["ignore"])]
    photos = [cv2.imread(str(data / e["file"]), cv2.IMREAD_COLOR) for e in empty]

    def one(i: int) -> tuple[bytes, np.ndarray, tuple[int, int]]:
        picture, rows = made(np.random.default_rng((SEED, i)), photos)
        return coded(picture), rows, picture.shape[1::-1]

    with ThreadPoolExecutor() as pool:
        return list(pool.map(one, range(count if photos else 0)))


def pack(data: Path, out: Path, limit: int | None = None) -> None:
    entries = read_labels(data, "train")[:limit]
    with ThreadPoolExecutor() as pool:
        packed = list(pool.map(lambda e: pack_one(data, e), entries))
    packed += made_pictures(data, entries, MADE if limit is None else min(MADE, limit))
    codes, labels, sizes = zip(*packed)
    out.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        out,
        bytes=np.frombuffer(b"".join(codes), np.uint8),
        ends=np.cumsum([len(c) for c in codes]),
        labels=np.concatenate(labels),
        label_ends=np.cumsum([len(r) for r in labels]),
        sizes=np.array(sizes, np.int32),
        made=np.arange(len(sizes)) >= len(entries),
    )
    print(f"{out}: {len(entries)} pictures, {len(sizes) - len(entries)} made, {out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with labels.jsonl and images/")
    parser.add_argument("--out", type=Path, required=True, help="the packed file to write")
    parser.add_argument("--limit", type=int, help="only so many pictures (for a trial)")
    args = parser.parse_args()
    pack(args.data, args.out, args.limit)
