"""The verifier: a second, small network that sees a finding alone, larger, and says how much that speaks for it.

It is the detector's own backbone at 96x128 pixels, whose weights it does not change, and two layers of its own behind
it (examples.py, train_verifier.py). What it says are log odds; they are added to those of the score. As the server
does it: src/infer/verifier.rs.
"""

from pathlib import Path

import cv2
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.utils import Extractor

from detect import Found
from export import OPSET, session
from network import FACE, NANO, PERSON
from pack import shrink
from stem import fed

# Input, pixels; its sides in those of the box that decides them; what fills it outside the picture.
WIDTH, HEIGHT, ROOM, PAD = 96, 128, 1.45, 114
# A box is seen no larger than if it were so high, pixels. Findings of one picture that are seen, at most.
LOWEST, MOST = 6, 16
# Classes with an output of their own.
KINDS = (FACE, PERSON)
# The backbone's maps of strides 16 and 32, by their names in the detector's file, and their shapes.
MAPS = ("/down.2/blocks/blocks.2/Relu_output_0", "/down.3/blocks/blocks.1/Relu_output_0")
SHAPES = ((NANO.widths[3], HEIGHT // 16, WIDTH // 16), (NANO.widths[4], HEIGHT // 32, WIDTH // 32))
# Scores nearer to 0 or 1 have no larger odds than this one.
SURE = 1e-4


def window(box: np.ndarray) -> tuple[int, int, int, int]:
    """Corners of what is seen of a box: it lies in the middle, with what is around it."""
    middle = (box[:2] + box[2:]) / 2
    high = max(box[3] - box[1], (box[2] - box[0]) * HEIGHT / WIDTH, LOWEST) * ROOM
    size = np.array([high * WIDTH / HEIGHT, high])
    # From an even pixel on, as chroma is: a little more is seen rather than all of it moved.
    left, top = (np.floor((middle - size / 2 + 0.5) / 2) * 2).astype(int)
    right, bottom = np.floor(middle + size / 2 + 0.5).astype(int)
    return int(left), int(top), int(right), int(bottom)


def crop(picture: np.ndarray, box: np.ndarray) -> np.ndarray | None:
    """What is seen of a box, as the network's input. None: all of that is outside."""
    h, w = picture.shape[:2]
    left, top, right, bottom = window(box)
    x, y, x2, y2 = max(left, 0), max(top, 0), min(right, w), min(bottom, h)
    if x2 <= x or y2 <= y:
        return None
    seen = cv2.copyMakeBorder(
        picture[y:y2, x:x2], y - top, bottom - y2, x - left, right - x2, cv2.BORDER_CONSTANT, value=(PAD,) * 3
    )
    return shrink(seen, WIDTH, HEIGHT)


def tensor(crops: list[np.ndarray]) -> np.ndarray:
    return np.stack(crops).transpose(0, 3, 1, 2).astype(np.float32)


def backbone(detector: Path) -> onnx.ModelProto:
    """The detector's file up to MAPS, for inputs [n, 3, HEIGHT, WIDTH]."""
    whole = onnx.shape_inference.infer_shapes(onnx.load(detector))
    part = Extractor(whole).extract_model(["images"], list(MAPS))
    ends = (*part.graph.input, *part.graph.output)
    for end, shape in zip(ends, ((3, HEIGHT, WIDTH), *SHAPES)):
        dims = end.type.tensor_type.shape.dim
        dims[0].dim_param = "n"
        for dim, size in zip(dims[1:], shape):
            dim.dim_value = size
    del part.graph.value_info[:]
    return part


def export(detector: Path, weights: dict[str, np.ndarray], out: Path) -> None:
    """One file of the backbone and these layers: `images [n, 3, HEIGHT, WIDTH]` to `odds [n, 2]`, the log odds of
    face and person."""
    model = backbone(detector)
    graph = model.graph
    graph.initializer.extend(numpy_helper.from_array(np.ascontiguousarray(v), k) for k, v in weights.items())
    graph.initializer.append(numpy_helper.from_array(np.array([0, -1]), "flat"))
    coarse, fine = MAPS[1], MAPS[0]
    graph.node.extend([
        helper.make_node("Conv", [fine, "squeeze.weight", "squeeze.bias"], ["squeezed"], "/squeeze/Conv"),
        helper.make_node("Relu", ["squeezed"], ["squeezed.relu"], "/squeeze/Relu"),
        helper.make_node("Reshape", ["squeezed.relu", "flat"], ["fine"], "/squeeze/Reshape"),
        helper.make_node("Reshape", [coarse, "flat"], ["coarse"], "/coarse/Reshape"),
        helper.make_node("Concat", ["fine", "coarse"], ["all"], "/Concat", axis=1),
        helper.make_node("Gemm", ["all", "hidden.weight", "hidden.bias"], ["hidden"], "/hidden/Gemm", transB=1),
        helper.make_node("Relu", ["hidden"], ["hidden.relu"], "/hidden/Relu"),
        helper.make_node("Gemm", ["hidden.relu", "out.weight", "out.bias"], ["odds"], "/out/Gemm", transB=1),
    ])  # fmt: skip
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("odds", TensorProto.FLOAT, ["n", len(KINDS)]))
    assert model.opset_import[0].version == OPSET
    onnx.checker.check_model(model)
    onnx.save(model, out)


def odds(score: np.ndarray) -> np.ndarray:
    p = np.clip(score, SURE, 1 - SURE)
    return np.log(p / (1 - p))


def added(score: np.ndarray, evidence: float) -> np.ndarray:
    """The score after evidence of these log odds."""
    return 1 / (1 + np.exp(-(odds(score) + evidence)))


class Verifier:
    """Asked about findings of a class whose score lies in its range. None is told with less than `least` for it."""

    def __init__(self, path: Path, asked: dict[int, tuple[float, float]], least: float):
        self.run, self.asked, self.least = session(path), asked, least

    def __call__(self, picture: np.ndarray, found: Found) -> Found:
        told, off = found.score.copy(), {}
        for i, (kind, score) in enumerate(zip(found.kind, found.score)):
            low, high = self.asked.get(int(kind), (2.0, 2.0))
            if low <= score <= high:
                off[i] = abs(score - (low + high) / 2)
        for i in sorted(off, key=off.get)[:MOST]:
            if (seen := crop(picture, found.box[i])) is not None:
                said = self.run.run(None, fed(self.run, tensor([seen])))[0][0, KINDS.index(int(found.kind[i]))]
                told[i] = max(added(found.score[i], said), self.least)
        return Found(found.box, found.kind, told)
