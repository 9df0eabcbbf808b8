"""Runs the network and its teachers as the server does; boxes in pixels of the picture."""

from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from boxes import suppress
from export import session
from network import FACE, PERSON, STRIDES, VEHICLE
from pack import CLASS, shrink
from stem import fed, size


@dataclass
class Found:
    """Of one picture: corners [n, 4], class [n] and score [n]."""

    box: np.ndarray
    kind: np.ndarray
    score: np.ndarray


def letterbox(
    picture: np.ndarray, width: int, height: int, pad: int, part: float = 1.0
) -> tuple[np.ndarray, float]:
    """Shrunk keeping the aspect, at the top left, to this part of the sides that fit; the input tensor and network
    pixels per pixel."""
    h, w = picture.shape[:2]
    r = part * min(width / w, height / h)
    out = np.full((height, width, 3), pad, np.uint8)
    dw, dh = min(width, max(1, round(w * r))), min(height, max(1, round(h * r)))
    out[:dh, :dw] = shrink(picture, dw, dh)
    return out.transpose(2, 0, 1)[None].astype(np.float32), r


def cells(width: int, height: int, stride: int) -> np.ndarray:
    column, row = np.meshgrid(np.arange(width // stride), np.arange(height // stride))
    return np.stack([column.ravel(), row.ravel()], 1)


def corners(raw: np.ndarray, cell: np.ndarray, stride: np.ndarray) -> np.ndarray:
    centre, half = (raw[:, :2] + cell) * stride, np.exp(raw[:, 2:4]) * stride / 2
    return np.concatenate([centre - half, centre + half], 1)


def pruned(box: np.ndarray, kind: np.ndarray, score: np.ndarray, least: float, limit: float) -> Found:
    """Without weak boxes, and of two of one class that overlap by more than `limit` the stronger."""
    at = np.flatnonzero(score >= least)
    kept = [at[kind[at] == k][suppress(box[at][kind[at] == k], score[at][kind[at] == k], limit)] for k in range(3)]
    kept = np.concatenate(kept)
    return Found(box[kept], kind[kept], score[kept])


class Yolox:
    """The server's family `yolox`: our network (two heads) or YOLOX (one head, 80 classes)."""

    def __init__(self, path: Path, least: float, limit: float = 0.45):
        self.run, self.least, self.limit = session(path), least, limit
        out = self.run.get_outputs()[0]
        self.height, self.width = size(self.run)
        one = [cells(self.width, self.height, s) for s in STRIDES]
        heads = out.shape[1] // sum(map(len, one))
        self.cell = np.concatenate(one * heads)
        self.stride = np.concatenate([np.full((len(c), 1), s) for c, s in zip(one, STRIDES)] * heads)
        coco = out.shape[2] == 85
        self.kinds = {i: CLASS[i] for i in CLASS if i >= 0} if coco else {FACE: FACE, PERSON: PERSON, VEHICLE: VEHICLE}

    def __call__(self, picture: np.ndarray, part: float = 1.0) -> Found:
        x, r = letterbox(picture, self.width, self.height, 114, part)
        rows = self.run.run(None, fed(self.run, x))[0][0]
        which = rows[:, 5:].argmax(1)
        score = rows[:, 4] * rows[np.arange(len(rows)), 5 + which]
        kind = np.array([self.kinds.get(int(i), -1) for i in range(rows.shape[1] - 5)])[which]
        score = np.where(kind < 0, 0, score)
        return pruned(corners(rows, self.cell, self.stride) / r, kind, score, self.least, self.limit)


class Yunet:
    """Faces. The picture is fitted into `width` x `height`."""

    def __init__(self, path: Path, width: int, height: int, least: float, limit: float = 0.3):
        self.run, self.width, self.height, self.least, self.limit = session(path), width, height, least, limit

    def __call__(self, picture: np.ndarray) -> Found:
        x, r = letterbox(picture, self.width, self.height, 0)
        names = [f"{part}_{s}" for s in STRIDES for part in ("cls", "obj", "bbox")]
        out = self.run.run(names, {"input": x})
        box, score = [], []
        for i, s in enumerate(STRIDES):
            said, there, raw = (v[0] for v in out[3 * i : 3 * i + 3])
            score.append(np.sqrt(said.clip(0, 1) * there.clip(0, 1))[:, 0])
            box.append(corners(raw, cells(self.width, self.height, s), s))
        score = np.concatenate(score)
        kind = np.full(len(score), FACE)
        return pruned(np.concatenate(box) / r, kind, score, self.least, self.limit)


def frame(path: Path, number: int) -> np.ndarray:
    """Frame `number` (from 0) of a clip, decoded from the beginning."""
    clip = cv2.VideoCapture(str(path))
    for _ in range(number):
        clip.grab()
    ok, picture = clip.read()
    if not ok:
        raise ValueError(f"{path} has no frame {number}")
    return picture


def frames(path: Path):
    clip = cv2.VideoCapture(str(path))
    while True:
        ok, picture = clip.read()
        if not ok:
            return
        yield picture
