"""Trained weights to ONNX in the form of the server's model family `yolox`.

Output `output [1, 2 * rows, 8]`: x, y, w, h raw, objectness, then face, person, vehicle, all scores 0..1.
First the face head's rows for strides 8, 16, 32, then the object head's. Objectness is 1 everywhere; the
classes that a head does not have are 0.
"""

import argparse
import hashlib
from copy import deepcopy
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from network import CLASSES, PLANS, SCALE, SCORES, Conv, Nano

OPSET = 17
# A sigmoid of this is 1, of its negative 0, in float32.
SURE = 40.0
# For each of the 16 exported channels: the channel of the head, or a constant score.
ALWAYS, NEVER = "always", "never"
SOURCE = (0, 1, 2, 3, ALWAYS, 4, NEVER, NEVER, 5, 6, 7, 8, ALWAYS, NEVER, 9, 10)
# Largest difference allowed between the export and the network it came from.
TOLERANCE = 2e-3


def read(path: Path, plan: str | None = None) -> Nano:
    """The trained network, for the size that it was trained with or for that of another plan of its form."""
    saved = torch.load(path, map_location="cpu", weights_only=True)
    net = Nano(PLANS[plan or saved["plan"]])
    net.load_state_dict(saved["state"])
    return net.eval()


def fuse(module: nn.Module) -> None:
    """Fold every batch normalisation into its convolution."""
    for name, child in module.named_children():
        if isinstance(child, Conv):
            setattr(module, name, fuse_conv_bn_eval(child[0], child[1]))
        else:
            fuse(child)


def widened(out: nn.Conv2d) -> nn.Conv2d:
    """The head's last convolution with the 16 exported channels."""
    wide = nn.Conv2d(out.in_channels, len(SOURCE), 1).requires_grad_(False)
    wide.weight.zero_()
    for i, source in enumerate(SOURCE):
        if isinstance(source, int):
            wide.weight[i], wide.bias[i] = out.weight[source], out.bias[source]
        else:
            wide.bias[i] = SURE if source == ALWAYS else -SURE
    return wide


class Exported(nn.Module):
    """`shift`: added to the logit of face, person, vehicle, so that one limit serves all classes."""

    def __init__(self, net: Nano, shift: tuple[float, float, float]):
        super().__init__()
        net = deepcopy(net).eval().requires_grad_(False)
        fuse(net)
        net.stem.conv.weight *= SCALE
        net.scale = 1
        for head in net.head:
            head.out.bias[list(SCORES)] += torch.tensor(shift)
            head.out = widened(head.out)
        self.net = net

    def forward(self, images: Tensor) -> Tensor:
        rows = self.net.plan.rows()
        out = torch.cat([m.reshape(1, len(SOURCE), -1) for m in self.net.maps(images)], 2)
        box, score = out.reshape(1, 2, 8, rows).split(4, 2)
        return torch.cat([box, score.sigmoid()], 2).transpose(2, 3).reshape(1, 2 * rows, 8)


def session(path: Path) -> ort.InferenceSession:
    """As the server runs it: one thread."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def export(net: Nano, shift: tuple[float, float, float], path: Path) -> None:
    plan = net.plan
    example = torch.zeros(1, 3, plan.height, plan.width)
    exported = Exported(net.eval(), shift)
    # The exporter that needs no package beside `onnx`.
    torch.onnx.export(
        exported, example, path, input_names=["images"], output_names=["output"], opset_version=OPSET,
        dynamo=False,
    )  # fmt: skip
    model = onnx.load(path)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    worst = difference(net, shift, path)
    assert worst < TOLERANCE, f"{path} differs from the network by {worst}"


@torch.no_grad()
def difference(net: Nano, shift: tuple[float, float, float], path: Path) -> float:
    """Largest difference between the ONNX file and the unfused network, over random pictures."""
    plan, lot, worst = net.plan, np.random.default_rng(1), 0.0
    run = session(path)
    for _ in range(4):
        picture = lot.uniform(0, 255, (1, 3, plan.height, plan.width)).astype(np.float32)
        found = torch.from_numpy(run.run(["output"], {"images": picture})[0])
        raw = net(torch.from_numpy(picture))[0]
        raw[:, list(SCORES)] = (raw[:, list(SCORES)] + torch.tensor(shift)).sigmoid()
        face, thing = found[0, : plan.rows()], found[0, plan.rows() :]
        assert (found[0, :, 4] == 1).all() and face[:, 6:].max() < 1e-9 and thing[:, 5].max() < 1e-9
        same = torch.cat([face[:, [0, 1, 2, 3, 5]], thing[:, [0, 1, 2, 3, 6, 7]]], 1)
        worst = max(worst, float((same - raw).abs().max()))
    return worst


def tell(path: Path) -> None:
    """A file's lines of the manifest."""
    whole = path.read_bytes()
    print(f'sha256 = "{hashlib.sha256(whole).hexdigest()}"\nbytes = {len(whole)}')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--plan", choices=PLANS, help="size of the input; default that of the training")
    parser.add_argument("--shift", type=float, nargs=3, default=(0.0, 0.0, 0.0), metavar=CLASSES)
    args = parser.parse_args()
    export(read(args.weights, args.plan), tuple(args.shift), args.out)
    tell(args.out)


if __name__ == "__main__":
    main()
