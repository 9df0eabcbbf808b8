"""The first convolution in 8 bits, on blocks of 2x2 pixels.

In float32 it takes a fifth of the 8-bit network's time, most of it for turning what it says into bytes. Fed with bytes
in blocks, of which it sees 2x2 at a time, it is a convolution like the others, and the server writes a quarter of the
input.
"""

from collections.abc import Iterable

import numpy as np
import onnxruntime as ort

# Largest weight: two products of bytes and weights are added in 16 bits where the processor has AVX2 alone, and beyond
# 32767 it is silently less.
LARGEST = 63
# Places of each input whose surroundings are looked at, and their lot.
PLACES, SEED = 400, 1
# Scales that are tried, as shares of LARGEST that the largest weight takes.
SHARES = np.linspace(0.75, 1.0, 26)
# Values of a 3x3 window, and of a block.
WINDOW, BLOCK = 27, 12


def blocks(x: np.ndarray) -> np.ndarray:
    """[n, 3, height, width], 0 to 255, to bytes [n, height / 2, width / 2, 12]: of a block its rows, of a row its
    colours, of a colour its columns. As the server writes it: src/infer/layout.rs."""
    n, colours, height, width = x.shape
    split = np.rint(x).astype(np.uint8).reshape(n, colours, height // 2, 2, width // 2, 2)
    return np.ascontiguousarray(split.transpose(0, 2, 4, 3, 1, 5)).reshape(n, height // 2, width // 2, BLOCK)


def size(run: ort.InferenceSession) -> tuple[int | str, int | str]:
    """Height and width of a network's input, pixels."""
    entry = run.get_inputs()[0]
    return tuple(2 * side for side in entry.shape[1:3]) if "uint8" in entry.type else tuple(entry.shape[2:])


def fed(run: ort.InferenceSession, x: np.ndarray) -> dict[str, np.ndarray]:
    """The input [n, 3, height, width] in the form that a network takes."""
    entry = run.get_inputs()[0]
    return {entry.name: blocks(x) if "uint8" in entry.type else x}


def over_blocks(weight: np.ndarray) -> np.ndarray:
    """Weights [n, 3, 3, 3] of a convolution of stride 2, for blocks: [n, 12, 2, 2]. Its window begins with the lower right
    pixel of the block before."""
    wide = np.zeros((len(weight), 2, 3, 2, 2, 2), weight.dtype)
    for y in range(3):
        for x in range(3):
            (block_y, row), (block_x, column) = divmod(y + 1, 2), divmod(x + 1, 2)
            wide[:, row, :, column, block_y, block_x] = weight[:, :, y, x]
    return wide.reshape(len(weight), BLOCK, 2, 2)


def windows(inputs: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Mean [27] and covariance [27, 27] of what a 3x3 window of inputs [1, 3, height, width] shows."""
    lot, seen = np.random.default_rng(SEED), []
    for x in inputs:
        y, at = (lot.integers(0, side - 2, PLACES) for side in x.shape[2:])
        view = np.lib.stride_tricks.sliding_window_view(x[0], (3, 3), (1, 2))
        seen.append(view[:, y, at].transpose(1, 0, 2, 3).reshape(PLACES, WINDOW))
    seen = np.concatenate(seen).astype(np.float64)
    return seen.mean(0), np.cov(seen, rowvar=False)


def settled(whole: np.ndarray, wanted: np.ndarray, scale: float, like: np.ndarray) -> np.ndarray:
    """Whole weights, each or two against each other by one up or down, as long as that makes less of the variance of what
    they say wrongly of pictures, whose values vary like `like`."""
    one = scale * scale * np.diag(like)
    two = one[:, None] + one[None] - 2 * scale * scale * like
    while True:
        slope = 2 * scale * (like @ (whole * scale - wanted))
        ways = {"up": one + slope, "down": one - slope, "both": two + slope[:, None] - slope[None]}
        best = min(ways, key=lambda way: ways[way].min())
        if ways[best].min() >= -1e-12:
            return whole
        at = np.unravel_index(ways[best].argmin(), ways[best].shape)
        whole[at[0]] += -1 if best == "down" else 1
        if best == "both":
            whole[at[1]] -= 1


def rounded(weight: np.ndarray, offset: np.ndarray, inputs: Iterable[np.ndarray]):
    """Of a convolution's weights [n, 3, 3, 3]: whole ones, no larger than LARGEST, their scales [n], and offsets [n]. Not
    each is rounded by itself, but all together such that what is said of pictures changes least (after Nagel et al. 2020,
    arXiv:2004.10568): neighbouring pixels are alike, so that most errors can undo each other. What remains in the mean is
    part of the offset."""
    mean, like = windows(inputs)
    out, scales, offsets = [], [], []
    for wanted, was in zip(weight.reshape(len(weight), WINDOW).astype(np.float64), offset):
        tried = []
        for share in SHARES:
            scale = np.abs(wanted).max() / (LARGEST * share)
            whole = settled(np.rint(wanted / scale), wanted, scale, like)
            if np.abs(whole).max() <= LARGEST:
                wrong = whole * scale - wanted
                tried.append((wrong @ like @ wrong, scale, whole, was - wrong @ mean))
        _, scale, whole, moved = min(tried, key=lambda t: t[0])
        out.append(whole)
        scales.append(scale)
        offsets.append(moved)
    return np.array(out, np.int8).reshape(weight.shape), np.array(scales), np.array(offsets)
