"""The packed pictures in memory, each at four sizes."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from pack import SIDE

# Grey around a picture, as the server pads.
PAD = 114
# Halvings by area averaging; a picture is drawn from the one nearest to the wanted size.
LEVELS = 4
# Most label rows that a picture keeps; the largest first.
MOST = 72


@dataclass
class Pictures:
    """`levels[k]`: uint8 [N, 3, SIDE/2^k, SIDE/2^k], blue, green, red, at the top left of its square.
    `labels`: [N, MOST, 7] as in `pack.COLUMNS`, empty rows with class -1. `sizes`: [N, 2] width and
    height. Labels and sizes are on the CPU, where the geometry is drawn by lot; coordinates are
    pixels of level 0."""

    levels: list[Tensor]
    labels: Tensor
    sizes: Tensor
    # [N]: people were drawn into it.
    made: Tensor

    def __len__(self) -> int:
        return len(self.sizes)


def load(path: Path, device: torch.device) -> Pictures:
    file = np.load(path)
    sizes, ends = file["sizes"], file["ends"]
    coded = np.split(file["bytes"], ends[:-1])
    pixels = torch.full((len(sizes), 3, SIDE, SIDE), PAD, dtype=torch.uint8)

    def decode(i: int) -> None:
        picture = cv2.imdecode(coded[i], cv2.IMREAD_COLOR)
        h, w = picture.shape[:2]
        pixels[i, :, :h, :w] = torch.from_numpy(picture).permute(2, 0, 1)

    with ThreadPoolExecutor() as pool:
        list(pool.map(decode, range(len(sizes))))
    levels = [pixels.to(device)]
    for _ in range(LEVELS - 1):
        parts = [F.avg_pool2d(part.float(), 2).round().byte() for part in levels[-1].split(256)]
        levels.append(torch.cat(parts))
    labels = np.split(file["labels"], file["label_ends"][:-1])
    rows = torch.stack([padded(rows) for rows in labels])
    return Pictures(levels, rows, torch.from_numpy(sizes).float(), torch.from_numpy(file["made"]))


def padded(rows: np.ndarray) -> Tensor:
    out = torch.zeros(MOST, 7)
    out[:, 4] = -1
    order = np.argsort(-(rows[:, 2] - rows[:, 0]) * (rows[:, 3] - rows[:, 1]), kind="stable")[:MOST]
    out[: len(order)] = torch.from_numpy(rows[order])
    return out
