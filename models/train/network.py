"""The network: plain 3x3 convolutions, a top-down neck, and two heads on strides 8, 16 and 32.

Why so plain: at this size on one CPU thread, depthwise convolutions are bound by memory and smooth
activations cost as much as small convolutions, while a 3x3 convolution whose channels are a multiple
of 16 runs near the peak of the vector unit and takes its bias, its residual sum and its ReLU along.

Why two heads: a near face and the person around it often have the same cell; with one head they
fight for it. The face head has one class, the object head has person and vehicle.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

STRIDES = (8, 16, 32)
# The order of the class scores in the output.
CLASSES = ("face", "person", "vehicle")
FACE, PERSON, VEHICLE = range(3)
# Input values are 0..255; the scale is folded into the first convolution on export. There is no
# mean: with one, the zero padding at the border would change its meaning when folded.
SCALE = 1 / 64
# Channels of a head's map: 4 box and 1 score for faces, then 4 box and 2 scores for objects.
CHANNELS = 11
SCORES = (4, 9, 10)


@dataclass(frozen=True)
class Plan:
    """Input size in pixels; channels after each halving of the picture and residual blocks there;
    channels of the neck and of the heads."""

    width: int
    height: int
    widths: tuple[int, ...]
    blocks: tuple[int, ...]
    neck: int
    head: int

    def rows(self) -> int:
        """Rows of one head, all strides."""
        return sum((self.height // s) * (self.width // s) for s in STRIDES)


# Blocks at the coarse strides cost few operations and see far, which a person's far edges need. A neck of 48
# channels instead costs more and found less. `large` is the same network before a larger picture: the last
# part of the training shows it, and what it learns there it also knows at the smaller size. The wide plan
# finds fewer small faces.
NANO = Plan(384, 224, (16, 16, 32, 64, 80), (0, 1, 3, 3, 2), 32, 48)
PLANS = {
    "nano": NANO,
    "large": replace(NANO, width=448, height=256),
    "wide": Plan(320, 192, (16, 32, 48, 64, 80), (0, 0, 2, 1, 1), 48, 64),
}


class Conv(nn.Sequential):
    """Convolution and batch normalisation; the two become one on export."""

    def __init__(self, inp: int, out: int, size: int = 3, stride: int = 1):
        super().__init__(
            nn.Conv2d(inp, out, size, stride, size // 2, bias=False), nn.BatchNorm2d(out, momentum=0.03)
        )


class Residual(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.conv = Conv(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv(x) + x)


class Down(nn.Module):
    """Halves the picture, then refines it."""

    def __init__(self, inp: int, out: int, blocks: int):
        super().__init__()
        self.conv = Conv(inp, out, 3, 2)
        self.blocks = nn.Sequential(*[Residual(out) for _ in range(blocks)])

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(F.relu(self.conv(x)))


class Head(nn.Module):
    def __init__(self, inp: int, width: int):
        super().__init__()
        self.trunk = Conv(inp, width)
        self.out = nn.Conv2d(width, CHANNELS, 1)
        nn.init.normal_(self.out.weight, std=0.01)
        nn.init.zeros_(self.out.bias)
        # Almost everything is background: begin there, or the first steps are lost on it.
        with torch.no_grad():
            self.out.bias[list(SCORES)] = -4.6

    def forward(self, x: Tensor) -> Tensor:
        return self.out(F.relu(self.trunk(x)))


class Nano(nn.Module):
    def __init__(self, plan: Plan):
        super().__init__()
        self.plan = plan
        w, n = plan.widths, plan.blocks
        self.scale = SCALE
        self.stem = Down(3, w[0], n[0])
        self.down = nn.ModuleList(Down(a, b, k) for a, b, k in zip(w, w[1:], n[1:]))
        self.lateral = nn.ModuleList(Conv(c, plan.neck, 1) for c in w[2:])
        self.smooth = nn.ModuleList(Conv(plan.neck, plan.neck) for _ in range(2))
        self.head = nn.ModuleList(Head(plan.neck, plan.head) for _ in STRIDES)

    def neck(self, x: Tensor) -> list[Tensor]:
        """One map per stride, of pictures 0..255 in blue, green, red."""
        x = self.stem(x if self.scale == 1 else x * self.scale)
        levels = []
        for down in self.down:
            x = down(x)
            levels.append(x)
        p = F.relu(self.lateral[2](levels[3]))
        found = [p]
        for i in (1, 0):
            p = F.relu(self.lateral[i](levels[i + 1]) + F.interpolate(p, scale_factor=2, mode="nearest"))
            p = F.relu(self.smooth[i](p))
            found.insert(0, p)
        return found

    def maps(self, x: Tensor) -> list[Tensor]:
        """The heads' maps [B, channels, H/s, W/s]."""
        return [head(p) for head, p in zip(self.head, self.neck(x))]

    def rows(self, neck: list[Tensor]) -> Tensor:
        """The heads' rows of all strides, [B, rows, channels]."""
        return torch.cat([head(p).flatten(2) for head, p in zip(self.head, neck)], 2).transpose(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.rows(self.neck(x))


def grid(plan: Plan) -> tuple[Tensor, Tensor]:
    """Column and row of every output row [rows, 2], and its stride [rows, 1]."""
    cells, strides = [], []
    for s in STRIDES:
        h, w = plan.height // s, plan.width // s
        row, column = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
        cells.append(torch.stack([column, row], -1).reshape(-1, 2))
        strides.append(torch.full((h * w, 1), float(s)))
    return torch.cat(cells).float(), torch.cat(strides)
