"""Boxes: coding, overlap, suppression of doubles. Corners x1, y1, x2, y2 in pixels throughout."""

import math

import numpy as np
import torch
from torch import Tensor


def decode(raw: Tensor, cells: Tensor, strides: Tensor) -> Tensor:
    """Corners of raw rows [..., rows, 4]: centre = (raw + cell) * stride, side = exp(raw) * stride."""
    centre = (raw[..., :2] + cells) * strides
    half = raw[..., 2:].clamp(max=6.0).exp() * strides / 2
    return torch.cat([centre - half, centre + half], -1)


def encode(box: Tensor, cells: Tensor, strides: Tensor) -> Tensor:
    """The inverse of `decode`."""
    centre, side = (box[..., :2] + box[..., 2:]) / 2, box[..., 2:] - box[..., :2]
    return torch.cat([centre / strides - cells, (side / strides).log()], -1)


def area(b: Tensor) -> Tensor:
    return (b[..., 2:] - b[..., :2]).clamp(min=0).prod(-1)


def overlap(a: Tensor, b: Tensor) -> Tensor:
    """Area that two boxes share; shapes broadcast."""
    low, high = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    return (high - low).clamp(min=0).prod(-1)


def iou(a: Tensor, b: Tensor) -> Tensor:
    shared = overlap(a, b)
    return shared / (area(a) + area(b) - shared + 1e-7)


def ciou(a: Tensor, b: Tensor) -> Tensor:
    """Complete IoU (Zheng et al., AAAI 2020): less the distance of the centres and the difference in
    aspect, so that boxes which do not meet still draw each other."""
    plain = iou(a, b)
    hull = torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])
    apart = ((a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]) / 2).square().sum(-1)
    distance = apart / (hull.square().sum(-1) + 1e-7)

    def angle(box: Tensor) -> Tensor:
        side = (box[..., 2:] - box[..., :2]).clamp(min=1e-3)
        return torch.atan2(side[..., 0], side[..., 1])

    aspect = 4 / math.pi**2 * (angle(a) - angle(b)).square()
    with torch.no_grad():
        weight = aspect / (1 - plain + aspect + 1e-7)
    return plain - distance - weight * aspect


def iou_matrix(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """IoU of every box of `a` with every box of `b`."""
    return iou(torch.as_tensor(a)[:, None], torch.as_tensor(b)[None]).numpy()


def suppress(box: np.ndarray, score: np.ndarray, limit: float) -> np.ndarray:
    """Indices of the boxes that stay, best first: of two that overlap by more than `limit` (IoU) the
    weaker one goes."""
    order = np.argsort(-score, kind="stable")
    kept: list[int] = []
    overlaps = iou_matrix(box, box) if len(box) else None
    for i in order:
        if all(overlaps[i, k] <= limit for k in kept):
            kept.append(i)
    return np.array(kept, dtype=int)
