"""What the network finds beside its teachers: on the validation pictures (labelled by the same teachers,
other sources than those trained on), on the people of these where the labels were looked at, on the frames with
checked truth, and in the empty room.

Written as a table and, with --json, as JSON.
"""

import argparse
import json
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from boxes import iou_matrix
from corroboration import corroborated
from detect import Found, Yolox, Yunet, frame, frames
from network import CLASSES, FACE, PERSON
from opinion import Opinions
from pack import label_rows, read_labels
from verifier import Verifier

# Least overlap of a hit: a face, a person, a vehicle.
MATCH = (0.4, 0.5, 0.5)
LOW = 0.02
# What somebody said who saw a box of a person on a validation picture, but not whose it was: see `how` in it.
LOOKED_AT = Path(__file__).with_name("looked_at.json")


@dataclass
class Sample:
    picture: np.ndarray
    # As pack.label_rows: corners, class, ignore.
    rows: np.ndarray
    kinds: tuple[int, ...]


@dataclass
class Row:
    data: str
    model: str
    kind: str
    limit: float
    expected: int
    found: int
    false: int
    average_precision: float
    # Of all boxes, strongest first: which are hits.
    hits: np.ndarray = field(repr=False)

    def __str__(self) -> str:
        recall = self.found / max(1, self.expected)
        return (
            f"{self.data:12} {self.model:14} {self.kind:8} {self.limit:5.2f} {self.expected:5} {self.found:5}"
            f" {recall:6.1%} {self.false:5} {self.average_precision:6.3f}"
        )


HEAD = f"{'data':12} {'model':14} {'class':8} limit  boxes found recall false     AP"


def outcomes(sample: Sample, found: Found, kind: int) -> list[tuple[float, bool]]:
    """(score, hit) of every box of a class, strongest first; one on an ignored box counts for nothing."""
    mine = sample.rows[sample.rows[:, 4] == kind]
    sure, ignored = mine[mine[:, 5] == 0][:, :4], mine[mine[:, 5] > 0][:, :4]
    at = np.flatnonzero(found.kind == kind)
    at = at[np.argsort(-found.score[at], kind="stable")]
    box = found.box[at].astype(np.float32)
    near, spared = iou_matrix(box, sure), iou_matrix(box, ignored)
    out, open_ = [], np.ones(len(sure), bool)
    for i, score in enumerate(found.score[at]):
        overlaps = np.where(open_, near[i], 0) if len(sure) else np.zeros(1)
        if overlaps.max() >= MATCH[kind]:
            open_[overlaps.argmax()] = False
            out.append((float(score), True))
        elif not (len(ignored) and spared[i].max() >= MATCH[kind]):
            out.append((float(score), False))
    return out


def precision(hits: np.ndarray, expected: int) -> float:
    """Area under the precision envelope over recall."""
    if expected == 0:
        return float("nan")
    right = np.cumsum(hits)
    curve = np.maximum.accumulate((right / np.arange(1, len(hits) + 1))[::-1])[::-1]
    return float((curve * hits).sum() / expected)


def score(data: str, model: str, samples: list[Sample], found: list[Found], limit: float, kinds) -> list[Row]:
    rows = []
    for kind in kinds:
        all_, expected = [], 0
        for sample, boxes in zip(samples, found):
            if kind in sample.kinds:
                all_ += outcomes(sample, boxes, kind)
                expected += int(((sample.rows[:, 4] == kind) & (sample.rows[:, 5] == 0)).sum())
        all_.sort(key=lambda o: -o[0])
        scores, hits = np.array([o[0] for o in all_]), np.array([o[1] for o in all_], bool)
        if expected == 0:
            continue
        above = scores >= limit
        rows.append(
            Row(data, model, CLASSES[kind], limit, expected, int(hits[above].sum()), int((~hits[above]).sum()),
                precision(hits, expected), hits)
        )  # fmt: skip
    return rows


@dataclass
class Likewise:
    """What a network finds at the limit at which it has no more false boxes than a teacher at the teacher's own."""

    data: str
    model: str
    teacher: str
    kind: str
    false: int
    teacher_found: int
    found: int

    def __str__(self) -> str:
        share = self.found / max(1, self.teacher_found)
        return (
            f"{self.data:12} {self.model:18} {self.kind:8} with {self.false} false boxes, as {self.teacher}: "
            f"{self.found} found, {share:.3f} of its {self.teacher_found}"
        )


def likewise(teacher: Row, mine: Row) -> Likewise:
    allowed = np.cumsum(~mine.hits) <= teacher.false
    found = int(mine.hits[allowed].sum())
    return Likewise(mine.data, mine.model, teacher.model, mine.kind, teacher.false, teacher.found, found)


def validation(data: Path) -> list[Sample]:
    return [
        Sample(cv2.imread(str(data / e["file"]), cv2.IMREAD_COLOR), label_rows(e), (0, 1, 2))
        for e in read_labels(data, "val")
    ]


def looked_at(data: Path, samples: list[Sample]) -> list[Sample]:
    """People on the validation pictures, where the labels were corrected by what somebody saw. That was only asked
    where the published network and the teacher did not agree: boxes of another network at other places count as
    false, whatever they show, until they were looked at too."""
    verdicts: dict[str, list[dict]] = {}
    for verdict in json.loads(LOOKED_AT.read_text())["boxes"]:
        verdicts.setdefault(verdict["file"], []).append(verdict)
    out = []
    for entry, sample in zip(read_labels(data, "val"), samples, strict=True):
        rows = sample.rows
        for verdict in verdicts.get(entry["file"], []):
            rows = corrected(rows, np.array(verdict["box"], np.float32), verdict["said"], verdict["label"])
        out.append(Sample(sample.picture, rows, (PERSON,)))
    return out


def corrected(rows: np.ndarray, box: np.ndarray, said: str, label: bool) -> np.ndarray:
    """Label rows after a verdict on a box: `person`, `nobody`, `badly` boxed or `unclear`. A label stays where it shows a
    person, goes where nobody is, and else is ignored; another box becomes a label where it shows a person, is ignored
    where that is unclear, and else stays false."""
    if label:
        at = np.flatnonzero((rows[:, 4] == PERSON) & (np.abs(rows[:, :4] - box).max(1) < 1))
        assert len(at) == 1, f"{box} is no label"
        if said == "nobody":
            return np.delete(rows, at, 0)
        rows = rows.copy()
        rows[at, 5] = said != "person"
        return rows
    if said in ("person", "unclear"):
        return np.vstack([rows, [[*box, PERSON, said == "unclear", 1]]]).astype(np.float32)
    return rows


def checked(shared: Path) -> list[Sample]:
    """The frames of truth/faces.json and truth/persons.json, each for its own class."""
    out = []
    for name, kind in (("faces", FACE), ("persons", PERSON)):
        for entry in json.loads((shared / "truth" / f"{name}.json").read_text())["frames"]:
            picture = frame(shared / "footage" / entry["file"], entry["frame"])
            h, w = picture.shape[:2]
            rows = [(*b, kind, 0, 1) for b in entry[name]] + [(*b, kind, 1, 0) for b in entry.get("ignore", [])]
            rows = np.array(rows, np.float32).reshape(-1, 7)
            rows[:, :4] *= [w, h, w, h]
            out.append(Sample(picture, rows, (kind,)))
    return out


def teachers(models: Path) -> list[tuple[str, object, float, tuple[int, ...]]]:
    yunet = models / "yunet_n_dynamic.onnx"
    return [
        ("yunet 320x192", Yunet(yunet, 320, 192, LOW), 0.6, (0,)),
        ("yunet 640x384", Yunet(yunet, 640, 384, LOW), 0.6, (0,)),
        ("yolox-nano 416", Yolox(models / "yolox_nano.onnx", LOW), 0.4, (1, 2)),
    ]


def ours(path: Path) -> Callable[[np.ndarray], Found]:
    """The network as the server runs it by its manifest, but told from LOW on; its verifier lies beside it."""
    manifest = tomllib.loads((Path(__file__).resolve().parents[1] / "pingan-nano" / "model.toml").read_text())
    least, asked = manifest["score"], ranges(manifest["verifier"]["asked"])
    verifier = Verifier(path.with_name(f"{path.stem}_verifier.onnx"), asked, least)
    doubtful, by_face = ranges(manifest["doubtful"]), manifest["corroboration"]["person_by_face"]
    opinions = Opinions(Yolox(path, LOW, manifest["nms"]), doubtful, least, verifier)
    return lambda picture: corroborated(opinions(picture), doubtful[PERSON], by_face)


def ranges(table: dict[str, list[float]]) -> dict[int, tuple[float, float]]:
    return {CLASSES.index(name): tuple(scores) for name, scores in table.items()}


def strongest(model, clip: Path) -> dict[str, float]:
    """The highest score of each class over all frames of a clip."""
    best = [0.0, 0.0, 0.0]
    for picture in frames(clip):
        found = model(picture)
        for kind, value in zip(found.kind, found.score):
            best[kind] = max(best[kind], float(value))
    return dict(zip(CLASSES, best))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", type=Path, nargs="+", help="ONNX files of this network")
    parser.add_argument("--shared", type=Path, required=True, help="folder with train/, truth/, footage/, models/")
    parser.add_argument("--limit", type=float, default=0.5, help="of the network; the server begins tracks there")
    parser.add_argument("--no-teachers", action="store_true")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    mine = [(path.stem, ours(path), args.limit, (0, 1, 2)) for path in args.models]
    others = [] if args.no_teachers else teachers(args.shared / "models")
    rows: list[Row] = []
    print(HEAD)
    labelled = validation(args.shared / "train")
    corrected_ones = looked_at(args.shared / "train", labelled)
    for same_pictures in ({"val": labelled, "looked at": corrected_ones}, {"truth": checked(args.shared)}):
        for name, model, limit, kinds in others + mine:
            found = [model(s.picture) for s in next(iter(same_pictures.values()))]
            for data, samples in same_pictures.items():
                for row in score(data, name, samples, found, limit, kinds):
                    print(row, flush=True)
                    rows.append(row)
    empty = {name: strongest(model, args.shared / "footage" / "empty-room-768x432.mp4") for name, model, *_ in mine}
    for name, best in empty.items():
        print(f"empty room, strongest box: {name} " + ", ".join(f"{k} {v:.2f}" for k, v in best.items()))
    names = {name for name, *_ in mine}
    same = [
        likewise(teacher, row)
        for teacher in rows
        for row in rows
        if teacher.model not in names and row.model in names and (teacher.data, teacher.kind) == (row.data, row.kind)
    ]
    print(*same, sep="\n")
    if args.json:
        told = [{k: v for k, v in vars(row).items() if k != "hits"} for row in rows]
        whole = {"rows": told, "likewise": [vars(s) for s in same], "empty_room": empty}
        args.json.write_text(json.dumps(whole, indent=1) + "\n")


if __name__ == "__main__":
    main()
