"""Corroboration, as the server does it (src/infer/corroboration.rs): a face where the head would be speaks for a
doubtful person."""

import numpy as np

from detect import Found
from network import FACE, PERSON
from verifier import added

# As in the server, where they are explained.
LEAST, ACROSS, DOWN, WIDE = 0.5, (0.1, 0.9), (0.0, 0.6), (0.08, 0.95)


def corroborated(found: Found, doubtful: tuple[float, float], by_face: float) -> Found:
    """With `by_face` added to the log odds of people with a doubtful score who have a face of their own."""
    told, order = found.score.copy(), np.argsort(-found.score, kind="stable")
    faces = [i for i in order if found.kind[i] == FACE and found.score[i] >= LEAST]
    for i in order:
        if found.kind[i] != PERSON or found.score[i] < doubtful[0]:
            continue
        own = next((face for face in faces if is_head(found.box[face], found.box[i])), None)
        if own is None:
            continue
        faces.remove(own)
        if found.score[i] <= doubtful[1]:
            told[i] = added(found.score[i], by_face)
    return Found(found.box, found.kind, told)


def is_head(face: np.ndarray, person: np.ndarray) -> bool:
    size, middle = person[2:] - person[:2], (face[:2] + face[2:]) / 2
    if (size <= 0).any():
        return False
    across, down = (middle - person[:2]) / size
    wide = (face[2] - face[0]) / size[0]
    return all(low <= v <= high for v, (low, high) in ((across, ACROSS), (down, DOWN), (wide, WIDE)))
