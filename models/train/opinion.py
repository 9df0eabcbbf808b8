"""Second opinions, as the server asks for them (src/infer/opinion.rs): what the network is not sure of is shown to it
again, nearer; the mean of both scores is told."""

import math

import numpy as np

from boxes import iou_matrix
from detect import Found

# As in the server, where they are explained.
ROOM, LOWEST, NEARER, SAME, MOST, CUT = 1.6, 24.0, 1.15, 0.5, 3, 2.0


class Opinions:
    """A network with an input of `width` x `height`, asked twice where its score for a class lies within `doubtful`.
    A second finding below `score` is none, and none is told with less for it."""

    def __init__(self, net, doubtful: dict[int, tuple[float, float]], score: float):
        self.net, self.doubtful, self.score = net, doubtful, score

    def __call__(self, picture: np.ndarray) -> Found:
        found, size = self.net(picture), picture.shape[1::-1]
        told, asked = found.score.copy(), 0
        open_ = self.doubts(found)
        while open_ and asked < MOST:
            window = self.window(found.box[open_[0]], size)
            if window is None:
                open_.pop(0)
                continue
            asked += 1
            seen = self.within(picture, window)
            here = [i for k, i in enumerate(open_) if k == 0 or shows(window, found.box[i], size)]
            for i in here:
                same = (seen.kind == found.kind[i]) & (iou_matrix(seen.box, found.box[i : i + 1])[:, 0] >= SAME)
                told[i] = max((found.score[i] + seen.score[same].max(initial=0.0)) / 2, self.score)
            open_ = [i for i in open_ if i not in here]
        return Found(found.box, found.kind, told)

    def doubts(self, found: Found) -> list[int]:
        """Most doubtful first."""
        doubt = {}
        for i, (kind, score) in enumerate(zip(found.kind, found.score)):
            low, high = self.doubtful.get(int(kind), (1.0, 0.0))
            if low <= score <= high:
                doubt[i] = abs(score - (low + high) / 2)
        return sorted(doubt, key=doubt.get)

    def within(self, picture: np.ndarray, window: tuple[int, int, int, int]) -> Found:
        """What is seen in a window (left, top, width, height) and not cut by it, in pixels of the picture."""
        x, y, w, h = window
        seen = self.net(np.ascontiguousarray(picture[y : y + h, x : x + w]))
        box = seen.box + np.array([x, y, x, y])
        sure = seen.score >= self.score
        kept = [i for i in np.flatnonzero(sure) if shows(window, box[i], picture.shape[1::-1])]
        return Found(box[kept], seen.kind[kept], seen.score[kept])

    def window(self, box: np.ndarray, picture: tuple[int, int]) -> tuple[int, int, int, int] | None:
        shape = self.net.width / self.net.height
        high = max(box[3] - box[1], (box[2] - box[0]) / shape, LOWEST / ROOM) * ROOM
        size = [min(2 * math.ceil(v / 2), all_) for v, all_ in zip((high * shape, high), picture)]

        def scale(w: float, h: float) -> float:
            return min(self.net.width / w, self.net.height / h)

        if scale(*size) < NEARER * scale(*picture):
            return None
        middle = (box[:2] + box[2:]) / 2
        corner = [min(int(max(0.0, m - s / 2)), p - s) & ~1 for m, s, p in zip(middle, size, picture)]
        return (*corner, *size)


def shows(window: tuple[int, int, int, int], box: np.ndarray, picture: tuple[int, int]) -> bool:
    """Whether no edge of the window cuts the box, unless it is the picture's edge too."""
    return all(
        (at == 0 or box[k] - at >= CUT) and (at + length == all_ or at + length - box[k + 2] >= CUT)
        for k, (at, length, all_) in enumerate(zip(window[:2], window[2:], picture))
    )
