"""Made pictures: drawn people, whole and from behind, before real backgrounds.

The pictures at hand show few people with their legs, and hardly any from behind. Drawn figures teach how
far a person reaches, and that the back of a head is no face: they never have one. They have the
proportions of people (heights as parts of the stature after the canon of eight heads, roughly), clothes
cut out of photos, and the lean and foreshortening of a camera that looks down.
"""

import cv2
import numpy as np

from network import PERSON

WIDTH, HEIGHT = 384, 216
# Drawn larger by this and shrunk, for soft edges.
FINE = 3
STATURE = (45, 185)
SKIN = ((96, 134, 198), (120, 160, 220), (60, 90, 140), (40, 60, 95), (150, 180, 230))
HAIR = ((20, 22, 28), (30, 40, 60), (40, 70, 110), (110, 160, 190), (150, 150, 155), (15, 15, 18))


def limb(mask: np.ndarray, a, b, wide: float, narrow: float) -> None:
    """A tapering stroke with round ends."""
    a, b = np.array(a, float), np.array(b, float)
    across = np.array([a[1] - b[1], b[0] - a[0]])
    across /= max(1e-6, np.hypot(*across))
    corners = np.array([a + across * wide, b + across * narrow, b - across * narrow, a - across * wide])
    cv2.fillPoly(mask, [corners.round().astype(np.int32)], 255)
    for point, radius in ((a, wide), (b, narrow)):
        cv2.circle(mask, tuple(int(round(v)) for v in point), max(1, int(round(radius))), 255, -1)


def cloth(lot: np.random.Generator, photos: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """A piece of a photo, tinted, with the light from one side."""
    photo = photos[lot.integers(len(photos))]
    h, w = (max(8, int(s * lot.uniform(0.2, 0.5))) for s in photo.shape[:2])
    y, x = lot.integers(photo.shape[0] - h + 1), lot.integers(photo.shape[1] - w + 1)
    piece = cv2.resize(photo[y : y + h, x : x + w], shape[::-1]).astype(np.float32)
    plain = np.array([lot.uniform(10, 235)] * 3) + lot.uniform(-35, 35, 3) * (lot.random() < 0.6)
    piece = piece + (plain - piece) * lot.uniform(0.4, 1.0)
    light = np.linspace(lot.uniform(0.7, 1.1), lot.uniform(0.7, 1.1), shape[1])
    return (piece * light[None, :, None]).clip(0, 255)


def figure(lot: np.random.Generator, photos: list[np.ndarray], stature: float) -> tuple[np.ndarray, np.ndarray]:
    """Colours [h, w, 3] and cover [h, w] 0..1 of one person, FINE times as large as shown."""
    s = stature * FINE
    h, w = int(s * 1.2), int(s * 1.1)
    cx, top = w / 2, s * 0.08
    side = lot.random() < 0.35
    # A camera that looks down sees the upper body nearer: larger above, shorter below.
    steep = lot.uniform(0.0, 0.35)

    def at(x: float, y: float) -> tuple[float, float]:
        near = 1 + steep * (0.5 - y)
        return cx + x * s * near, top + s * (y + steep * 0.3 * y * (1 - y))

    breadth = lot.uniform(0.07, 0.09) if side else lot.uniform(0.105, 0.14)
    stride, swing = lot.uniform(0.0, 0.17 if side else 0.07), lot.uniform(0.0, 0.14)
    stout = lot.uniform(0.9, 1.3)
    image, cover = np.zeros((h, w, 3), np.float32), np.zeros((h, w), np.uint8)

    def paint(draw, colours) -> None:
        mask = np.zeros((h, w), np.uint8)
        draw(mask)
        image[mask > 0] = colours[mask > 0] if isinstance(colours, np.ndarray) else colours
        cover[mask > 0] = 255

    skin, hair = SKIN[lot.integers(len(SKIN))], HAIR[lot.integers(len(HAIR))]
    upper, lower = cloth(lot, photos, (h, w)), cloth(lot, photos, (h, w)) * lot.uniform(0.3, 1.0)
    shoe = tuple([lot.uniform(10, 90)] * 3)
    skirt, sleeves = lot.random() < 0.2, lot.random() < 0.65
    for leg in (-1, 1):
        hip, foot = at(leg * 0.045, 0.5), at(leg * (0.05 + stride), 0.96 - 0.05 * lot.random() * (leg > 0))
        knee = ((hip[0] + foot[0]) / 2 + lot.uniform(-0.02, 0.03) * s, (hip[1] + foot[1]) / 2)
        colours = skin if skirt else lower
        paint(lambda m: limb(m, hip, knee, 0.052 * s * stout, 0.042 * s), colours)
        paint(lambda m: limb(m, knee, foot, 0.042 * s, 0.028 * s), colours)
        paint(lambda m: limb(m, foot, (foot[0] + lot.uniform(-0.04, 0.04) * s, foot[1] + 0.015 * s), 0.028 * s, 0.024 * s), shoe)
    if skirt:
        hem = lot.uniform(0.62, 0.75)
        paint(lambda m: limb(m, at(0, 0.46), at(0, hem), 0.085 * s, lot.uniform(0.1, 0.13) * s), lower)
    for arm in (-1, 1):
        shoulder = at(arm * breadth * 0.95, 0.19)
        hand = at(arm * (breadth + 0.02) + lot.uniform(-1, 1) * swing, lot.uniform(0.38, 0.5))
        elbow = ((shoulder[0] + hand[0]) / 2 + arm * lot.uniform(0, 0.03) * s, (shoulder[1] + hand[1]) / 2)
        paint(lambda m: limb(m, elbow, hand, 0.026 * s, 0.022 * s), upper if sleeves else skin)
        paint(lambda m: limb(m, shoulder, elbow, 0.034 * s, 0.028 * s), upper)
        paint(lambda m: limb(m, hand, hand, 0.022 * s, 0.022 * s), skin)
    body = [at(-breadth, 0.17), at(-0.05, 0.145), at(0.05, 0.145), at(breadth, 0.17)]
    body += [at(breadth * 0.8 * stout, 0.36), at(breadth * 0.78 * stout, 0.53), at(-breadth * 0.78 * stout, 0.53)]
    body += [at(-breadth * 0.8 * stout, 0.36)]
    paint(lambda m: cv2.fillPoly(m, [np.array(body).round().astype(np.int32)], 255), upper)
    paint(lambda m: limb(m, at(0, 0.11), at(0, 0.15), 0.028 * s, 0.032 * s), skin)
    middle = tuple(int(v) for v in at(lot.uniform(-0.01, 0.01), 0.07))
    axes = (int(lot.uniform(0.043, 0.055) * s), int(lot.uniform(0.062, 0.075) * s))
    shine = np.linspace(1.25, 0.75, h)[:, None, None] * np.array(hair, np.float32)
    paint(lambda m: cv2.ellipse(m, middle, axes, 0, 0, 360, 255, -1), np.broadcast_to(shine, image.shape))
    if lot.random() < 0.35:
        paint(lambda m: limb(m, middle, at(0, lot.uniform(0.16, 0.26)), axes[0], axes[0] * 0.9), hair)
    lean = cv2.getRotationMatrix2D((cx, h / 2), lot.normal(0, 6), 1.0)
    return cv2.warpAffine(image, lean, (w, h)), cv2.warpAffine(cover, lean, (w, h)).astype(np.float32) / 255


def made(lot: np.random.Generator, photos: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """One picture and its label rows (pack.COLUMNS)."""
    photo = photos[lot.integers(len(photos))]
    scale = max(WIDTH / photo.shape[1], HEIGHT / photo.shape[0]) * lot.uniform(1.0, 1.6)
    large = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    y, x = (lot.integers(large.shape[i] - (HEIGHT, WIDTH)[i] + 1) for i in (0, 1))
    picture = large[y : y + HEIGHT, x : x + WIDTH].astype(np.float32)
    rows = []
    stature = np.exp(lot.uniform(*np.log(STATURE)))
    # Far ones first; the near ones stand lower in the picture and cover them.
    for k in sorted(lot.uniform(0.75, 1.25, lot.integers(1, 5))):
        colours, cover = figure(lot, photos, min(stature * k, STATURE[1]))
        size = (cover.shape[1] // FINE, cover.shape[0] // FINE)
        colours = cv2.resize(colours, size, interpolation=cv2.INTER_AREA)
        cover = cv2.resize(cover, size, interpolation=cv2.INTER_AREA)
        ys, xs = np.nonzero(cover > 0.4)
        left, upper, right, lower = xs.min(), ys.min(), xs.max() + 1, ys.max() + 1
        colours, cover = colours[upper:lower, left:right], cover[upper:lower, left:right, None]
        h, w = cover.shape[:2]
        if h >= HEIGHT - 2 or w >= WIDTH - 2:
            continue
        px, py = lot.integers(WIDTH - w), lot.integers(HEIGHT - h)
        box = np.array([px, py, px + w, py + h], np.float32)
        if any(covered(box, row) > 0.45 for row in rows):
            continue
        if lot.random() < 0.5:
            shade(picture, (px + w / 2, py + h * 0.97), w * lot.uniform(0.4, 0.8), lot.uniform(0.2, 0.6))
        part = picture[py : py + h, px : px + w]
        light = lot.uniform(0.6, 1.2)
        part[:] = part * (1 - cover) + (colours * light).clip(0, 255) * cover
        rows.append((*box, PERSON, 0, 1.0))
    if lot.random() < 0.5:
        picture = cv2.GaussianBlur(picture, (0, 0), lot.uniform(0.4, 1.0))
    return picture.clip(0, 255).astype(np.uint8), np.array(rows, np.float32).reshape(-1, 7)


def shade(picture: np.ndarray, foot: tuple[float, float], radius: float, dark: float) -> None:
    """A soft shadow on the ground."""
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]]
    far = ((x - foot[0]) / radius) ** 2 + ((y - foot[1]) / (radius * 0.3)) ** 2
    picture *= (1 - dark * np.exp(-far))[..., None]


def covered(new: np.ndarray, row: tuple) -> float:
    """Part of an earlier figure's box that a new one covers."""
    w = min(new[2], row[2]) - max(new[0], row[0])
    h = min(new[3], row[3]) - max(new[1], row[1])
    return max(0, w) * max(0, h) / ((row[2] - row[0]) * (row[3] - row[1]))
