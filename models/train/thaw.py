"""A published ONNX file back to weights that the training can go on from (`train.py --start`).

Export folds every batch normalisation into its convolution. Here each gets mean and variance of what it sees in
training pictures, and a scale and offset that undo them: the network answers as before, and goes on learning.
"""

import argparse
from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from compose import MIXES, Composer, draw
from data import Pictures, load
from export import SOURCE, difference
from network import PLANS, SCALE, Conv, Nano
from photo import Photo
from train import save

# Pictures that mean and variance are taken from.
PICTURES = 256
# Largest difference between the file and the weights.
TOLERANCE = 2e-3


def folded(path: Path) -> dict[str, Tensor]:
    """Weights and offsets of the convolutions, as the training counts them: input scale and constant scores undone."""
    stored = {i.name.removeprefix("net."): torch.from_numpy(numpy_helper.to_array(i).copy())
              for i in onnx.load(path).graph.initializer}  # fmt: skip
    stored["stem.conv.weight"] /= SCALE
    learnt = [SOURCE.index(channel) for channel in range(max(s for s in SOURCE if isinstance(s, int)) + 1)]
    for name in [n for n in stored if ".out." in n]:
        stored[name] = stored[name][learnt]
    return stored


@torch.no_grad()
def thawed(path: Path, plan: str, pictures: Pictures) -> Nano:
    net, stored = Nano(PLANS[plan]).eval(), folded(path)
    for name, module in net.named_modules():
        if isinstance(module, Conv):
            module[0].weight.copy_(stored[name + ".weight"])
            module[1].running_var.fill_(1 - module[1].eps)
            module[1].bias.copy_(stored[name + ".bias"])
        elif name.endswith(".out"):
            module.weight.copy_(stored[name + ".weight"])
            module.bias.copy_(stored[name + ".bias"])
    composer, photo = Composer(pictures, PLANS[plan], MIXES["bodies"], 1), Photo(torch.device("cpu"), 1)
    seen = photo(draw(composer.batch(PICTURES)[0], pictures, PLANS[plan]))
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    # Each takes the new mean and variance before its turn and still passes on the same, so one run sets them all.
    hooks = [m.register_forward_pre_hook(measure) for m in norms]
    net(seen)
    for hook in hooks:
        hook.remove()
    return net


def measure(norm: nn.BatchNorm2d, given: tuple[Tensor]) -> None:
    """Takes mean and variance of what is given, and the scale and offset that undo both."""
    mean, var = given[0].mean((0, 2, 3)), given[0].var((0, 2, 3))
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(var)
    norm.weight.copy_((var + norm.eps).sqrt())
    norm.bias.add_(mean)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--plan", default="nano", choices=PLANS, help="that of the file's input")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    net = thawed(args.model, args.plan, load(args.pack, torch.device("cpu")))
    worst = difference(net, (0.0, 0.0, 0.0), args.model)
    assert worst < TOLERANCE, f"the weights differ from {args.model} by {worst}"
    save(net, args.plan, args.out)


if __name__ == "__main__":
    main()
