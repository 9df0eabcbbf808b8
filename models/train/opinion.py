"""Second opinions, as the server asks for them (src/infer/opinion.rs): what the network is not sure of is shown to it
again, otherwise; the mean of all scores is told."""

import math
from dataclasses import dataclass

import numpy as np

from boxes import iou_matrix
from detect import Found

# As in the server, where they are explained. A round: room, mirrored, part.
ROUNDS = ((1.6, False, 0.7), (2.2, True, 1.0), (1.3, True, 0.85))
LOWEST, NEARER, SAME, MOST, CUT = 24.0, 1.15, 0.5, 4, 2.0


@dataclass
class Doubt:
    # Place in the findings.
    at: int
    low: float
    high: float
    scores: list[float]

    def off(self) -> float:
        return abs(np.mean(self.scores) - (self.low + self.high) / 2) / (self.high - self.low)


class Opinions:
    """A network with an input of `width` x `height`, asked again where its score for a class lies within `doubtful`.
    A finding below `score` is none when asked again, and none is told with less for it. `verifier`: changes the scores
    before."""

    def __init__(self, net, doubtful: dict[int, tuple[float, float]], score: float, verifier=None):
        self.net, self.doubtful, self.score, self.verifier = net, doubtful, score, verifier

    def __call__(self, picture: np.ndarray) -> Found:
        found, size = self.net(picture), picture.shape[1::-1]
        if self.verifier:
            found = self.verifier(picture, found)
        doubts = [
            Doubt(i, *self.doubtful[int(kind)], [score])
            for i, (kind, score) in enumerate(zip(found.kind, found.score))
            if int(kind) in self.doubtful and self.doubtful[int(kind)][0] <= score <= self.doubtful[int(kind)][1]
        ]
        asked, open_ = 0, doubts
        for turn, (room, mirrored, part) in enumerate(ROUNDS):
            if turn:
                open_ = [d for d in doubts if len(d.scores) > 1 and d.off() <= 0.25]
            open_ = sorted(open_, key=Doubt.off)
            while open_ and asked < MOST:
                asked += 1
                windows = [self.window(found.box[d.at], size, room) for d in open_]
                if windows[0] is None:
                    seen = self.seen(picture, (0, 0, *size), True, part)
                    here = [d for d, window in zip(open_, windows) if window is None]
                else:
                    seen = self.seen(picture, windows[0], mirrored, 1.0)
                    here = [d for k, d in enumerate(open_) if k == 0 or shows(windows[0], found.box[d.at], size)]
                for d in here:
                    overlap = iou_matrix(seen.box, found.box[d.at : d.at + 1])[:, 0]
                    same = (seen.kind == found.kind[d.at]) & (overlap >= SAME)
                    d.scores.append(seen.score[same].max(initial=0.0))
                open_ = [d for d in open_ if not any(d is h for h in here)]
        told = found.score.copy()
        for d in doubts:
            if len(d.scores) > 1:
                told[d.at] = max(np.mean(d.scores), self.score)
        return Found(found.box, found.kind, told)

    def seen(self, picture: np.ndarray, window: tuple[int, int, int, int], mirrored: bool, part: float) -> Found:
        """What is seen in a window (left, top, width, height) and not cut by it, in pixels of the picture. `part`: of
        the network's input that the window may take, along a side."""
        x, y, w, h = window
        shown = picture[y : y + h, x : x + w]
        shown = np.ascontiguousarray(shown[:, ::-1] if mirrored else shown)
        seen = self.net(shown) if part == 1 else self.net(shown, part)
        box = seen.box
        if mirrored:
            box = np.stack([w - box[:, 2], box[:, 1], w - box[:, 0], box[:, 3]], 1)
        box = box + np.array([x, y, x, y])
        sure = seen.score >= self.score
        kept = [i for i in np.flatnonzero(sure) if shows(window, box[i], picture.shape[1::-1])]
        return Found(box[kept], seen.kind[kept], seen.score[kept])

    def window(self, box: np.ndarray, picture: tuple[int, int], room: float) -> tuple[int, int, int, int] | None:
        shape = self.net.width / self.net.height
        high = max(box[3] - box[1], (box[2] - box[0]) / shape, LOWEST / room) * room
        size = [min(2 * math.ceil(min(v, all_) / 2), all_) for v, all_ in zip((high * shape, high), picture)]

        def scale(w: float, h: float) -> float:
            return min(self.net.width / w, self.net.height / h)

        if scale(*size) < NEARER * scale(*picture):
            return None
        middle = (box[:2] + box[2:]) / 2
        corner = [min(int(max(0.0, m - s / 2)), p - s) & ~1 for m, s, p in zip(middle, size, picture)]
        # An odd picture's last pixel.
        size = [s + (c + s + 1 == p) for c, s, p in zip(corner, size, picture)]
        return (*corner, *size)


def shows(window: tuple[int, int, int, int], box: np.ndarray, picture: tuple[int, int]) -> bool:
    """Whether no edge of the window cuts the box, unless it is the picture's edge too."""
    return all(
        (at == 0 or box[k] - at >= CUT) and (at + length == all_ or at + length - box[k + 2] >= CUT)
        for k, (at, length, all_) in enumerate(zip(window[:2], window[2:], picture))
    )
