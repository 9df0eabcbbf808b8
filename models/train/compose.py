"""Training pictures are composed: a base picture and up to four others laid over it.

Each picture is a layer with its own scale and place, seen through a rectangle with a soft edge. Layer 0
fills the canvas, half of the time as the server would show it (fitted, top left). Layer 1 may cover a
part of the canvas at a straight cut. The others show one face, person or vehicle with some of its
surroundings at a size drawn by lot: so small faces and far people come from near ones, before other
backgrounds. All that a label says is moved along; what is covered or cut off becomes `ignore`.

The geometry is drawn by lot on the CPU for a whole batch; the pixels are drawn where the pictures are.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from boxes import area, overlap
from data import LEVELS, PAD, Pictures
from loss import Targets
from network import FACE, PERSON, VEHICLE, Plan
from pack import SIDE

# Share of base pictures shown as the server would, and of those zoomed to one of their boxes.
FITTED, FOCUSED = 0.35, 0.5
# How often a layer is there: the cut, then the three small ones.
PRESENT = (0.4, 0.6, 0.5, 0.4)
# Of a small layer: size of what it shows in pixels of the network, from and to. A face is measured by its
# width, a person by height, a vehicle by its longer side.
SHOWN = {FACE: (6.5, 80.0), PERSON: (14.0, 120.0), VEHICLE: (9.0, 130.0)}
ANY = (20.0, 120.0)
# Surroundings shown on each side, in sides of the box, from and to.
MARGIN = {FACE: (0.3, 2.0), PERSON: (0.05, 1.0), VEHICLE: (0.05, 0.8)}
MOST_ENLARGED = 1.7
# Least visible part of a face, a person, a vehicle that still counts as one; less is ignored.
VISIBLE = torch.tensor([0.6, 0.35, 0.4])
# Least shorter and longer side in pixels, likewise.
SHORT, LONG = torch.tensor([5.0, 4.0, 5.0]), torch.tensor([7.0, 11.0, 9.0])
GONE = 0.1


# A person within this part of the picture's width from its side, or of its height from below, is cut off.
EDGE = 0.015
# A face wider than this part of its picture is a near one.
NEAR = 0.22


@dataclass(frozen=True)
class Mix:
    """What is shown how often. `shown`: share of the small layers that show a face, a person, a vehicle;
    the rest shows any part of any picture."""

    shown: tuple[float, float, float]
    # How often a picture is the base, against others: with a near face, with a whole person.
    near: float
    whole: float
    # People cut off by their picture's edge are ignored in layers above the base.
    bodies: bool
    # Share of the pictures that are made, among those chosen by lot and among the people shown.
    made: float


# The first part of the training takes the pictures as they are. They show many portraits and few people
# with their legs, so the second part turns that round.
MIXES = {
    "plain": Mix((0.36, 0.32, 0.17), 1.0, 1.0, False, 0.12),
    "bodies": Mix((0.33, 0.35, 0.22), 0.4, 3.0, True, 0.28),
}


@dataclass
class Layer:
    """For each of B canvases: the picture, x' = x * scale + shift, and the rectangle shown."""

    picture: Tensor
    scale: Tensor  # [B, 2], x negative when mirrored
    shift: Tensor  # [B, 2]
    window: Tensor  # [B, 4] corners, pixels of the canvas
    soft: Tensor  # [B] width of the window's edge, pixels
    gain: Tensor  # [B] brightness


class Composer:
    def __init__(self, pictures: Pictures, plan: Plan, mix: Mix, seed: int):
        self.pictures, self.plan, self.mix = pictures, plan, mix
        self.lot = torch.Generator().manual_seed(seed)
        self.canvas = torch.tensor([plan.width, plan.height], dtype=torch.float32)
        rows = pictures.labels
        side = rows[..., 2:4] - rows[..., :2]
        size = torch.stack([side[..., 0], side[..., 1], side.amax(-1)], -1)
        self.size = size.gather(-1, rows[..., 4:5].clamp(min=0).long()).squeeze(-1)
        sure = rows[..., 5] == 0
        width, height = pictures.sizes[:, :1], pictures.sizes[:, 1:]
        cut = (rows[..., 0] < EDGE * width) | (rows[..., 2] > (1 - EDGE) * width)
        cut = (cut | (rows[..., 3] > (1 - EDGE) * height)) & (rows[..., 4] == PERSON)
        tall = (rows[..., 4] == PERSON) & (side[..., 1] > 1.6 * side[..., 0]) & ~cut & sure
        near = (rows[..., 4] == FACE) & (side[..., 0] > NEAR * width) & sure
        self.weight = torch.where(near.any(1), mix.near, 1.0) * torch.where(tall.any(1), mix.whole, 1.0)
        self.above = rows.clone()
        usable = sure & (rows[..., 6] >= 0.5) & (self.size >= 12)
        if mix.bodies:
            self.above[..., 5] = torch.where(cut, 1.0, rows[..., 5])
            usable &= ~cut
        self.weight = shared_out(self.weight, pictures.made, mix.made)
        self.focus = {c: (usable & (rows[..., 4] == c)).nonzero() for c in SHOWN}
        self.chance = {}
        for c, found in self.focus.items():
            liked = torch.where(tall[found[:, 0], found[:, 1]], mix.whole, 1.0)
            self.chance[c] = shared_out(liked, pictures.made[found[:, 0]], mix.made)

    def rand(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        return torch.rand(*shape, generator=self.lot) * (high - low) + low

    def log_rand(self, n: int, low: Tensor | float, high: Tensor | float) -> Tensor:
        """Between `low` and `high`, every doubling as likely as the other."""
        low, high = torch.as_tensor(low), torch.as_tensor(high)
        return low * (high / low) ** self.rand(n)

    def some(self, n: int) -> Tensor:
        return torch.multinomial(self.weight, n, replacement=True, generator=self.lot)

    def layers(self, n: int) -> list[Layer]:
        return [self.base(n), self.cut(n)] + [self.small(n, p) for p in PRESENT[1:]]

    def place(self, picture: Tensor, scale: Tensor, shift: Tensor, window: Tensor, about: Tensor) -> Layer:
        """A layer seen within `window`, half of the time mirrored about the column `about` [B]."""
        n = len(picture)
        mirror = self.rand(n) < 0.5
        scale = torch.stack([torch.where(mirror, -scale[:, 0], scale[:, 0]), scale[:, 1]], 1)
        shift = torch.stack([torch.where(mirror, 2 * about - shift[:, 0], shift[:, 0]), shift[:, 1]], 1)
        return Layer(picture, scale, shift, window, self.rand(n, low=0.5, high=4.0), self.log_rand(n, 0.7, 1.4))

    def aspect(self, n: int) -> Tensor:
        """Labels come from pictures stretched this way and that; so are ours."""
        bend = self.log_rand(n, 0.87, 1.15)
        return torch.stack([bend, 1 / bend], 1)

    def base(self, n: int) -> Layer:
        picture = self.some(n)
        size = self.pictures.sizes[picture]
        fit = (self.canvas / size).amin(1)
        zoom = (self.canvas / size).amax(1) * self.log_rand(n, 0.75, 1.8)
        rows = self.pictures.labels[picture]
        chance = self.rand(n, rows.shape[1]) * ((rows[..., 4] >= 0) & (rows[..., 5] == 0))
        chance, which = chance.max(1)
        row = rows[torch.arange(n), which]
        low = torch.tensor([SHOWN[c][0] for c in SHOWN])[row[:, 4].clamp(min=0).long()]
        wanted = self.log_rand(n, low, 160.0) / self.size[picture, which].clamp(min=1)
        focused = (chance > 0) & (self.rand(n) < FOCUSED)
        zoom = torch.where(focused, torch.minimum(wanted, 3 * fit).clamp(max=2.0).maximum(0.8 * fit), zoom)
        scale = zoom[:, None] * self.aspect(n)
        room = self.canvas - size * scale
        shift = self.rand(n, 2) * room
        # A focused box stays in sight.
        middle = (row[:, :2] + row[:, 2:4]) / 2 * scale
        into = (middle + shift).clamp(min=0.1 * self.canvas).minimum(0.9 * self.canvas) - middle
        shift = torch.where(focused[:, None], into, shift)
        fitted = (self.rand(n) < FITTED)[:, None]
        scale = torch.where(fitted, fit[:, None].expand(n, 2), scale)
        shift = torch.where(fitted, torch.zeros(n, 2), shift)
        whole = torch.cat([torch.full((n, 2), -99.0), (self.canvas + 99).expand(n, 2)], 1)
        about = torch.where(fitted[:, 0], size[:, 0] * scale[:, 0], self.canvas[0]) / 2
        layer = self.place(picture, scale, shift, whole, about)
        layer.gain.fill_(1.0)
        return layer

    def cut(self, n: int) -> Layer:
        picture = self.some(n)
        size = self.pictures.sizes[picture]
        window = torch.cat([torch.zeros(n, 2), self.canvas.expand(n, 2)], 1)
        side = torch.randint(4, (n,), generator=self.lot)
        at = self.rand(n, low=0.25, high=0.75) * self.canvas[side % 2]
        window[torch.arange(n), side] = at
        room = window[:, 2:] - window[:, :2]
        zoom = (room / size).amin(1) * self.log_rand(n, 0.8, 2.2)
        scale = zoom[:, None] * self.aspect(n)
        shift = window[:, :2] + self.rand(n, 2) * (room - size * scale)
        about = shift[:, 0] + size[:, 0] * scale[:, 0] / 2
        return self.shown(self.place(picture, scale, shift, window, about), PRESENT[0])

    def small(self, n: int, present: float) -> Layer:
        dice = self.rand(n)
        # Any part: a square of a fifth of the picture's shorter side, with surroundings.
        picture = self.some(n)
        size = self.pictures.sizes[picture]
        side = size.amin(1, keepdim=True) / 5
        corner = self.rand(n, 2) * (size - side)
        row = torch.cat([corner, corner + side], 1)
        wanted = self.log_rand(n, *ANY) / (3 * side[:, 0])
        margin = self.rand(n, 4, low=0.2, high=3.0)
        begin = 0.0
        for (kind, (low, high)), share in zip(SHOWN.items(), self.mix.shown):
            here = (dice >= begin) & (dice < begin + share)
            begin += share
            k, pool = int(here.sum()), self.focus[kind]
            if k == 0 or len(pool) == 0:
                continue
            found = pool[torch.multinomial(self.chance[kind], k, replacement=True, generator=self.lot)]
            picture[here] = found[:, 0]
            row[here] = self.pictures.labels[found[:, 0], found[:, 1], :4]
            wanted[here] = self.log_rand(k, low, high) / self.size[found[:, 0], found[:, 1]]
            margin[here] = self.rand(k, 4, low=MARGIN[kind][0], high=MARGIN[kind][1])
        scale = wanted.clamp(max=MOST_ENLARGED)[:, None] * self.aspect(n)
        centre = self.rand(n, 2) * self.canvas
        shift = centre - (row[:, :2] + row[:, 2:4]) / 2 * scale
        half = (row[:, 2:4] - row[:, :2]) * scale / 2
        window = torch.cat([centre - half * (1 + 2 * margin[:, :2]), centre + half * (1 + 2 * margin[:, 2:])], 1)
        return self.shown(self.place(picture, scale, shift, window, centre[:, 0]), present)

    def shown(self, layer: Layer, present: float) -> Layer:
        """Cut the window to the picture's extent, and leave it empty where the layer is absent."""
        picture, window = layer.picture, layer.window
        seen = moved_boxes(layer, torch.cat([torch.zeros(len(picture), 2), self.pictures.sizes[picture]], 1))
        low, high = torch.maximum(window[:, :2], seen[:, :2]), torch.minimum(window[:, 2:], seen[:, 2:])
        absent = (self.rand(len(picture)) >= present) | ((high - low) < 2).any(1)
        layer.window = torch.where(absent[:, None], torch.zeros(1, 4), torch.cat([low, high], 1))
        return layer

    def batch(self, n: int) -> tuple[list[Layer], Targets]:
        layers = self.layers(n)
        return layers, targets(layers, [self.pictures.labels] + [self.above] * 4, self.canvas)


def shared_out(weight: Tensor, made: Tensor, share: float) -> Tensor:
    """Weights with which made pictures have this share, where there are both kinds."""
    theirs, others = weight[made].sum(), weight[~made].sum()
    if min(theirs, others) <= 0:
        return weight
    return torch.where(made, weight * (share / (1 - share) * others / theirs), weight)


def moved_boxes(layer: Layer, box: Tensor) -> Tensor:
    """Boxes [B, ..., 4] of the layers' pictures, on the canvas."""
    shape = (len(box),) + (1,) * (box.dim() - 2) + (2,)
    scale, shift = layer.scale.view(shape), layer.shift.view(shape)
    a, b = box[..., :2] * scale + shift, box[..., 2:] * scale + shift
    return torch.cat([torch.minimum(a, b), torch.maximum(a, b)], -1)


def targets(layers: list[Layer], labels: list[Tensor], canvas: Tensor) -> Targets:
    """The labels of all layers, moved, cut, and less what later layers cover."""
    edge = torch.cat([torch.zeros(2), canvas])
    found = []
    for i, layer in enumerate(layers):
        rows = labels[i][layer.picture]
        box = moved_boxes(layer, rows[..., :4])
        window = torch.cat(
            [torch.maximum(layer.window[:, :2], edge[:2]), torch.minimum(layer.window[:, 2:], edge[2:])], 1
        )[:, None]
        cut = torch.cat([torch.maximum(box[..., :2], window[..., :2]), torch.minimum(box[..., 2:], window[..., 2:])], -1)
        left = area(cut)
        for later in layers[i + 1 :]:
            left = left - overlap(cut, later.window[:, None])
        part = left / area(box).clamp(min=1e-3)
        of = torch.arange(len(rows))[:, None].expand(rows.shape[:2])
        kept = (rows[..., 4] >= 0) & (part > GONE)
        found.append((cut[kept], of[kept], rows[..., 4][kept].long(), rows[..., 5][kept] > 0, part[kept]))
    box, of, kind, ignore, part = (torch.cat(column) for column in zip(*found))
    side = box[:, 2:] - box[:, :2]
    ignore |= (part < VISIBLE[kind]) | (side.amin(1) < SHORT[kind]) | (side.amax(1) < LONG[kind])
    sure = ~ignore
    return Targets(box[sure], of[sure], kind[sure], box[ignore], of[ignore], kind[ignore])


def draw(layers: list[Layer], pictures: Pictures, plan: Plan) -> Tensor:
    """The canvases, [B, 3, height, width] in 0..255, on the pictures' device."""
    device = pictures.levels[0].device
    x = torch.arange(plan.width, device=device) + 0.5
    y = torch.arange(plan.height, device=device) + 0.5
    canvas = None
    for layer in layers:
        present = (layer.window[:, 2] > layer.window[:, 0]).nonzero().squeeze(1)
        if canvas is not None and len(present) == 0:
            continue
        # Enlarged or shrunk by at most the root of two from the nearest level.
        level = (-layer.scale[present].abs().prod(1).log2() / 2).round().clamp(0, LEVELS - 1)
        for k in level.unique().tolist():
            of = present[level == k]
            at = layer.picture[of].to(device, non_blocking=True)
            numbers = torch.cat([layer.scale[of], layer.shift[of], layer.window[of], layer.soft[of, None]], 1)
            numbers = torch.cat([numbers, layer.gain[of, None]], 1).to(device, non_blocking=True)
            of = of.to(device, non_blocking=True)
            sx, sy, tx, ty, x1, y1, x2, y2, soft, gain = numbers[:, :, None].unbind(1)
            u, v = (x - tx) / sx * (2 / SIDE) - 1, (y - ty) / sy * (2 / SIDE) - 1
            mesh = torch.stack(
                [u[:, None, :].expand(-1, plan.height, -1), v[:, :, None].expand(-1, -1, plan.width)], -1
            )
            source = pictures.levels[int(k)][at].float() - PAD
            drawn = F.grid_sample(source, mesh, "bilinear", "zeros", align_corners=False) + PAD
            if canvas is None:
                canvas = drawn.new_full((len(layer.picture), 3, plan.height, plan.width), float(PAD))
            if layer is layers[0]:
                canvas[of] = drawn
                continue
            across = (torch.minimum(x - x1, x2 - x) / soft + 0.5).clamp(0, 1)
            down = (torch.minimum(y - y1, y2 - y) / soft + 0.5).clamp(0, 1)
            cover = (down[:, :, None] * across[:, None, :])[:, None]
            drawn = (drawn * gain.view(-1, 1, 1, 1)).clamp(0, 255)
            canvas[of] = torch.lerp(canvas[of], drawn, cover)
    return canvas
