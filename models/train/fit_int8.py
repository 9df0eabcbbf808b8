"""Trains the 8-bit file to answer as the float file does.

`quantise.py` rounds weights that were never meant to be rounded. Here the 8-bit graph itself runs in PyTorch, rounding
as ONNX Runtime does, and its weights and the ranges of its maps learn what the float network says of training pictures;
the rounding passes gradients on as if it were not there (Bengio et al. 2013, arXiv:1308.3432; ranges as in LSQ, Esser
et al. 2020, arXiv:1902.08153). No label is needed, and which layers are in 8 bits stays as it is.
"""

import argparse
import math
import time
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional as F

from compose import MIXES, Composer, draw
from data import Pictures, load
from export import SOURCE
from network import FACE, PERSON, PLANS, VEHICLE
from photo import Photo
from teacher import Graph

# Pictures of a step, steps, and the longest time for them in minutes.
BATCH, STEPS, MINUTES = 16, 600, 10.0
# Learning rates at first: of weights, and of the logarithms of ranges. Small ones: most weights stay within the step that
# they are rounded to, and what is learnt is which way to round. With larger ones it unlearns more than that brings.
RATE, RANGE_RATE = 2e-5, 3e-4
# How much the boxes count beside the scores.
BOXES = 0.5
# Channels of a head's exported map: two rows, each a box, a constant and the scores of three classes.
ROW = len(SOURCE) // 2
FIRST_SCORE = 5
# Which of the two rows tells a class.
TOLD = {FACE: 0, PERSON: 1, VEHICLE: 1}


def ends(model: onnx.ModelProto) -> list[str]:
    """The heads' maps, before they are put together; in the same order in both files."""
    last = [n for n in model.graph.node if n.op_type == "Conv" and "/out/" in n.name]
    return [n.output[0] for n in sorted(last, key=lambda n: n.name)]


def whole(x: Tensor) -> Tensor:
    return x + (x.round() - x).detach()


def per_channel(scale: Tensor, like: Tensor) -> Tensor:
    return scale.view(-1, *[1] * (like.dim() - 1))


class Rounded(Graph):
    """The 8-bit graph. Learns float weights and offsets, which begin as those of the float file, and the logarithms of
    the maps' scales; zero points and the weights' scales stay."""

    def __init__(self, model: onnx.ModelProto, floats: dict[str, np.ndarray]):
        super().__init__(model, ends(model))
        self.learnt, self.place = nn.ParameterList(), {}
        self.scales = set()
        for node in self.steps:
            match node.op_type:
                case "DequantizeLinear" if node.input[0] in self.fixed:
                    self.learn(node.input[0], floats[node.input[0].removesuffix("_quantized")])
                case "QuantizeLinear":
                    self.scales.add(node.input[1])
                    self.learn(node.input[1], np.log(self.fixed[node.input[1]]))
                case "Conv":
                    for name in node.input[1:]:
                        if name in self.fixed:
                            self.learn(name, self.fixed[name])

    def learn(self, name: str, value: np.ndarray) -> None:
        if name not in self.place:
            self.place[name] = len(self.learnt)
            self.learnt.append(nn.Parameter(torch.from_numpy(np.array(value))))

    def of(self, name: str) -> Tensor:
        """What was learnt; of a scale, not its logarithm."""
        value = self.learnt[self.place[name]]
        return value.exp() if name in self.scales else value

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        have = {self.entry: x} | {name: getattr(self, slot) for name, slot in self.slot.items()}
        have |= {name: self.of(name) for name in self.place}
        for node in self.steps:
            have[node.output[0]] = self.step(node, have)
        return tuple(have[name] for name in self.wanted)

    def step(self, node: onnx.NodeProto, have: dict[str, Tensor]) -> Tensor:
        if node.op_type == "QuantizeLinear":
            zero = float(self.fixed[node.input[2]])
            return (whole(have[node.input[0]] / have[node.input[1]]) + zero).clamp(0, 255) - zero
        if node.op_type != "DequantizeLinear":
            return super().step(node, have)
        value, scale = have[node.input[0]], have[node.input[1]]
        if node.input[0] not in self.place:
            return value * scale
        # Offsets have 32 bits: nothing is lost by rounding them.
        if value.dim() == 1:
            return value
        scale = per_channel(scale, value)
        return whole(value / scale).clamp(-127, 127) * scale

    @torch.no_grad()
    def written(self, model: onnx.ModelProto) -> onnx.ModelProto:
        """The file with what was learnt."""
        new = {name: self.of(name).numpy() for name in self.place}
        makers = {out: n for n in self.steps for out in n.output}
        for node in [n for n in self.steps if n.op_type == "Conv"]:
            seen, weight, offset = (makers.get(name) for name in node.input)
            if weight is None:
                continue
            value, scale = new[weight.input[0]], self.fixed[weight.input[1]]
            rounded = np.rint(value / scale.reshape(-1, *[1] * (value.ndim - 1)))
            new[weight.input[0]] = np.clip(rounded, -127, 127).astype(np.int8)
            # ONNX Runtime takes the offset's scale to be the product of the others.
            scale = (new[seen.input[1]] * scale).astype(np.float32)
            new[offset.input[1]] = scale
            new[offset.input[0]] = np.rint(new[offset.input[0]] / scale.astype(np.float64)).astype(np.int32)
        out = onnx.ModelProto()
        out.CopyFrom(model)
        for tensor in out.graph.initializer:
            if tensor.name in new:
                was, value = numpy_helper.to_array(tensor), np.asarray(new[tensor.name])
                assert was.dtype == value.dtype and was.shape == value.shape, tensor.name
                tensor.CopyFrom(numpy_helper.from_array(value, tensor.name))
        return out


def unlike(said: tuple[Tensor, ...], wanted: tuple[Tensor, ...]) -> Tensor:
    """How far the scores of all cells are from the wanted ones (Kullback-Leibler), and the boxes where something is."""
    total = torch.zeros(())
    for a, b in zip(said, wanted):
        a, b = (v.reshape(len(v), 2, ROW, -1) for v in (a, b))
        for row in (0, 1):
            mine = [FIRST_SCORE + kind for kind, told in TOLD.items() if told == row]
            likely = b[:, row, mine].sigmoid()
            total = total + F.binary_cross_entropy_with_logits(a[:, row, mine], likely, reduction="sum")
            total = total - F.binary_cross_entropy(likely, likely, reduction="sum")
            off = (a[:, row, :4] - b[:, row, :4]).abs().sum(1)
            total = total + BOXES * (off * likely.amax(1)).sum()
    return total / len(said[0])


def fit(precise: Path, small: Path, pictures: Pictures, steps: int, minutes: float, seed: int) -> onnx.ModelProto:
    torch.manual_seed(seed)
    model, example = onnx.load(small), onnx.load(precise)
    floats = {i.name: numpy_helper.to_array(i) for i in example.graph.initializer}
    teacher, student = Graph(example, ends(example)), Rounded(model, floats)
    plan = PLANS["nano"]
    composer, photo = Composer(pictures, plan, MIXES["bodies"], seed), Photo(torch.device("cpu"), seed)
    scales = [student.learnt[at] for name, at in student.place.items() if name in student.scales]
    others = [student.learnt[at] for name, at in student.place.items() if name not in student.scales]
    peaks = (RATE, RANGE_RATE)
    optimiser = torch.optim.Adam([{"params": others}, {"params": scales}])
    begun, told, mean = time.time(), max(1, steps // 24), 0.0
    for step in range(steps):
        done = max(step / steps, (time.time() - begun) / (60 * minutes))
        if done >= 1:
            break
        for group, peak in zip(optimiser.param_groups, peaks):
            group["lr"] = peak * (0.01 + 0.99 * (1 + math.cos(math.pi * done)) / 2)
        with torch.no_grad():
            seen = photo(draw(composer.batch(BATCH)[0], pictures, plan))
            wanted = teacher(seen)
        loss = unlike(student(seen), wanted)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        mean += float(loss.detach()) / told
        if (step + 1) % told == 0:
            print(f"{step + 1}/{steps} {done:.0%} {time.time() - begun:.0f} s unlike {mean:.3f}", flush=True)
            mean = 0.0
    return student.written(model)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("precise", type=Path, help="the float file")
    parser.add_argument("small", type=Path, help="the 8-bit file made of it")
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--minutes", type=float, default=MINUTES, help="end then at the latest")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    pictures = load(args.pack, torch.device("cpu"))
    onnx.save(fit(args.precise, args.small, pictures, args.steps, args.minutes, args.seed), args.out)


if __name__ == "__main__":
    main()
