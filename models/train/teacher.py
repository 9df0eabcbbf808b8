"""What the teachers think of a picture, as features to imitate.

Labels say where faces, persons and vehicles are; the maps just before the teachers' last layers also say
what else there is (YOLOX knows 80 classes) and how sure they are. The student's neck learns to predict
these maps on the same grid, through convolutions that are thrown away afterwards. The teacher sees the
clean picture, the student the spoilt one.

The teachers are ONNX files. `Graph` runs one in PyTorch, on the training device; it knows the few
operators that YOLOX and YuNet use up to those maps.
"""

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional as F

from network import STRIDES, Plan


class Graph(nn.Module):
    """The part of an ONNX graph that leads to the tensors `wanted`."""

    def __init__(self, model: onnx.ModelProto, wanted: list[str]):
        super().__init__()
        values = {i.name: i for i in model.graph.initializer}
        self.entry = next(i.name for i in model.graph.input if i.name not in values)
        self.wanted, needed, self.steps = wanted, set(wanted), []
        for node in reversed(model.graph.node):
            if needed & set(node.output):
                needed |= set(node.input)
                self.steps.insert(0, node)
        # Constants also come as nodes.
        constants = {n.output[0]: n.attribute[0].t for n in self.steps if n.op_type == "Constant"}
        self.steps = [n for n in self.steps if n.op_type != "Constant"]
        self.fixed = {k: numpy_helper.to_array(v) for k, v in {**values, **constants}.items() if k in needed}
        self.slot = {}
        for k, v in self.fixed.items():
            if v.dtype == np.float32 and v.size:
                self.slot[k] = f"w{len(self.slot)}"
                self.register_buffer(self.slot[k], torch.from_numpy(v.copy()))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        have = {self.entry: x} | {k: getattr(self, s) for k, s in self.slot.items()}
        for node in self.steps:
            have[node.output[0]] = self.step(node, have)
        return tuple(have[name] for name in self.wanted)

    def step(self, node: onnx.NodeProto, have: dict[str, Tensor]) -> Tensor:
        a = {x.name: onnx.helper.get_attribute_value(x) for x in node.attribute}
        v = [have.get(name) for name in node.input]
        match node.op_type:
            case "Conv":
                pad = a["pads"][:2]
                return F.conv2d(v[0], v[1], v[2], a["strides"], pad, a.get("dilations", 1), a.get("group", 1))
            case "Sigmoid":
                return v[0].sigmoid()
            case "Relu":
                return v[0].relu()
            case "Mul":
                return v[0] * v[1]
            case "Add":
                return v[0] + v[1]
            case "Concat":
                return torch.cat(v, a["axis"])
            case "MaxPool":
                return F.max_pool2d(v[0], a["kernel_shape"], a["strides"], a["pads"][:2])
            case "Resize":
                return F.interpolate(v[0], scale_factor=2, mode="nearest")
            case "Slice":
                start, _, axis, step = (int(self.fixed[name][0]) for name in node.input[1:5])
                return v[0][(slice(None),) * axis + (slice(start, None, step),)]
        raise NotImplementedError(f"ONNX operator {node.op_type}")


def yolox(path: Path) -> Graph:
    """The maps before the class scores and before the objectness, per stride."""
    model = onnx.load(path)
    maps = {n.input[1]: n.input[0] for n in model.graph.node if n.op_type == "Conv"}
    names = [maps[f"head.{part}_preds.{i}.weight"] for i in range(len(STRIDES)) for part in ("cls", "obj")]
    return Graph(model, names)


def yunet(path: Path) -> Graph:
    """The map that all outputs of a stride are made of."""
    model = onnx.load(path)
    maker = {out: n for n in model.graph.node for out in n.output}
    names = []
    for stride in STRIDES:
        name = f"cls_{stride}"
        # Back through sigmoid, reshape, transpose and the two convolutions of the output.
        for _ in range(5):
            name = maker[name].input[0]
        names.append(name)
    return Graph(model, names)


class Imitation(nn.Module):
    """Loss of the student's neck against the teachers' maps, in units of their variance."""

    def __init__(self, models: Path, plan: Plan, device: torch.device):
        super().__init__()
        kind = torch.bfloat16 if device.type == "cuda" else torch.float32
        example = torch.rand(1, 3, plan.height, plan.width, device=device, dtype=kind) * 255
        self.kind, self.graphs, counts = kind, [], [0] * len(STRIDES)
        with torch.no_grad():
            for graph in (yolox(models / "yolox_nano.onnx"), yunet(models / "yunet_n_dynamic.onnx")):
                graph = graph.to(device, kind).eval()
                self.graphs.append(graph)
                found = graph(example)
                for i, value in enumerate(found):
                    counts[i * len(STRIDES) // len(found)] += value.shape[1]
        # The teachers' steps as one call, once recorded, and where they read and write.
        self.recorded, self.entry, self.held = None, None, []
        self.adapt = nn.ModuleList(nn.Conv2d(plan.neck, n, 3, padding=1) for n in counts).to(device)

    @torch.no_grad()
    def maps(self, clean: Tensor) -> list[Tensor]:
        """Per stride, the maps of all teachers, each channel with mean 0 and variance 1. On a GPU good until
        the next call: the hundreds of small steps are recorded once and replayed, for batches of one size."""
        if clean.device.type != "cuda":
            return self.drawn(clean)
        if self.recorded is None:
            self.entry = clean.clone()
            aside = torch.cuda.Stream()
            aside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(aside):
                for _ in range(3):
                    self.drawn(self.entry)
            torch.cuda.current_stream().wait_stream(aside)
            self.recorded = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.recorded):
                self.held = self.drawn(self.entry)
        self.entry.copy_(clean)
        self.recorded.replay()
        return self.held

    def drawn(self, clean: Tensor) -> list[Tensor]:
        found: list[list[Tensor]] = [[] for _ in STRIDES]
        for graph in self.graphs:
            out = graph(clean.to(self.kind))
            for i, value in enumerate(out):
                value = value.float()
                spread, mean = torch.var_mean(value, (0, 2, 3), keepdim=True)
                found[i * len(STRIDES) // len(out)].append((value - mean) / (spread + 1e-3).sqrt())
        return [torch.cat(f, 1) for f in found]

    def forward(self, neck: list[Tensor], maps: list[Tensor]) -> Tensor:
        parts = [F.mse_loss(adapt(n).float(), m) for adapt, n, m in zip(self.adapt, neck, maps)]
        return sum(parts) / len(parts)
