"""Examples that the verifier learns from: boxes on the training pictures, most of them the detector's own findings, and
what the backbone makes of each, once as it is, once mirrored and in other light."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from boxes import iou_matrix
from detect import Found, Yolox
from network import FACE, PERSON
from opinion import Opinions
from pack import label_rows, read_labels
from photo import Photo
from verifier import KINDS, MAPS, backbone, crop, tensor

# The detector sees each picture whole, whole at this part of its input and mirrored, and so many parts of it; what it
# finds from this score on is an example.
PART, PARTS, LEAST, OVERLAP = 0.7, 4, 0.08, 0.5
# Overlap with a label from which on a box shows it, and below which it does not; what lies in between is left out.
SHOWS, MISSES = 0.5, 0.4
# A box that overlaps an ignored one by more, or whose area it covers by more, is left out.
IGNORED, COVERED = 0.25, 0.5
# The detector's findings are moved so much (standard deviation, of the sides), labels so much, several times.
MOVED, MOVED_LABELS = 0.02, {FACE: (0.05, 0.2), PERSON: (0.03, 0.12, 0.2, 0.3)}
# Boxes where a label of another class is, at most, and boxes anywhere.
OTHERS, ANYWHERE = 6, 2
BATCH = 32
# Where a box came from.
FOUND, LABEL, OTHER, LOT = range(4)


@dataclass
class Examples:
    # [n, numbers of all MAPS], half precision.
    seen: np.ndarray
    # [n]: class, whether it is one, where the box came from.
    kind: np.ndarray
    right: np.ndarray
    source: np.ndarray


def moved(lot: np.random.Generator, box: np.ndarray, by: float) -> np.ndarray:
    w, h = box[2] - box[0], box[3] - box[1]
    return box + lot.normal(0, by, 4) * np.array([w, h, w, h])


def findings(detector: Opinions, picture: np.ndarray, lot: np.random.Generator) -> Found:
    """What the detector finds in several views of a picture."""
    h, w = picture.shape[:2]
    views = [((0, 0, w, h), False, 1.0), ((0, 0, w, h), True, PART)]
    for k in range(PARTS):
        zoom = lot.uniform(0.35, 0.9)
        wide, high = int(w * zoom), int(h * zoom)
        x, y = int(lot.integers(0, w - wide + 1)), int(lot.integers(0, h - high + 1))
        views.append(((x, y, wide, high), bool(k % 2), 1.0))
    all_ = [detector.seen(picture, *view) for view in views]
    return Found(*(np.concatenate([getattr(f, part) for f in all_]) for part in ("box", "kind", "score")))


def covered(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Largest part of each box that one of the others covers."""
    if not len(others):
        return np.zeros(len(box))
    low = np.maximum(box[:, None, :2], others[None, :, :2])
    high = np.minimum(box[:, None, 2:4], others[None, :, 2:4])
    area = ((box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1])).clip(1e-3)
    return ((high - low).clip(0).prod(2) / area[:, None]).max(1)


def boxes(rows: np.ndarray, found: Found, kind: int, size: tuple[int, int], lot: np.random.Generator):
    """Boxes of one class on one picture: corners, whether it is one, where it came from."""
    w, h = size
    mine, others = rows[rows[:, 4] == kind], rows[rows[:, 4] != kind]
    sure, ignored = mine[mine[:, 5] == 0][:, :4], mine[mine[:, 5] > 0][:, :4]
    drawn = [(moved(lot, b, MOVED), FOUND) for b in found.box[found.kind == kind]]
    drawn += [(moved(lot, b, by), LABEL) for b in sure for by in MOVED_LABELS[kind]]
    drawn += [(moved(lot, b, 0.08), OTHER) for b in others[:OTHERS, :4]]
    for _ in range(ANYWHERE):
        high = h * np.exp(lot.uniform(np.log(0.08), np.log(0.95)))
        wide = high * np.exp(lot.normal(np.log(0.42 if kind == PERSON else 0.8), 0.35))
        x, y = lot.uniform(-0.1 * wide, max(w - 0.9 * wide, 0)), lot.uniform(-0.1 * high, h - 0.9 * high)
        drawn.append((np.array([x, y, x + wide, y + high]), LOT))
    box, source = np.array([b for b, _ in drawn], np.float32), np.array([s for _, s in drawn])
    hit = iou_matrix(box, sure).max(1, initial=0)
    near, under = iou_matrix(box, ignored).max(1, initial=0), covered(box, ignored)
    right = hit >= SHOWS
    wrong = (hit < MISSES) & (near <= IGNORED) & (under <= COVERED)
    large = (box[:, 2] - box[:, 0] >= 4) & (box[:, 3] - box[:, 1] >= 6)
    kept = (right | wrong) & large
    return box[kept], right[kept], source[kept]


class Maker:
    """In one process."""

    def __init__(self, data: Path, detector: Path):
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        coded = backbone(detector).SerializeToString()
        self.backbone = ort.InferenceSession(coded, options, providers=["CPUExecutionProvider"])
        self.detector, self.data = Opinions(Yolox(detector, LEAST, OVERLAP), {}, LEAST), data

    def seen(self, x: np.ndarray) -> np.ndarray:
        out = []
        for k in range(0, len(x), BATCH):
            maps = self.backbone.run(list(MAPS), {"images": x[k : k + BATCH]})
            out.append(np.concatenate([m.reshape(len(m), -1) for m in maps], 1).astype(np.float16))
        return np.concatenate(out)

    def __call__(self, number: int, entry: dict) -> Examples | None:
        picture, rows = cv2.imread(str(self.data / entry["file"]), cv2.IMREAD_COLOR), label_rows(entry)
        lot = np.random.default_rng((77, number))
        found = findings(self.detector, picture, lot)
        crops, marks = [], []
        for kind in KINDS:
            for box, right, source in zip(*boxes(rows, found, kind, picture.shape[1::-1], lot)):
                if (seen := crop(picture, box)) is not None:
                    crops.append(seen)
                    marks.append((kind, right, source))
        if not crops:
            return None
        x = tensor(crops)
        # One picture, one light: each has its own lot, whichever process takes it.
        other = Photo(torch.device("cpu"), number)(torch.from_numpy(np.ascontiguousarray(x[..., ::-1]))).numpy()
        kind, right, source = np.array(marks * 2).T
        return Examples(np.concatenate([self.seen(x), self.seen(other)]), kind, right.astype(bool), source)


maker: Maker | None = None


def begin(data: Path, detector: Path) -> None:
    global maker
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    maker = Maker(data, detector)


def one(job: tuple[int, dict]) -> Examples | None:
    return maker(*job)


def examples(data: Path, detector: Path, limit: int | None) -> Examples:
    """Of the first `limit` training pictures, by all processor cores."""
    jobs = list(enumerate(read_labels(data, "train")[:limit]))
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(mp_context=context, initializer=begin, initargs=(data, detector)) as pool:
        made = [m for m in pool.map(one, jobs, chunksize=16) if m is not None]
    return Examples(*(np.concatenate([getattr(m, name) for m in made]) for name in ("seen", "kind", "right", "source")))
