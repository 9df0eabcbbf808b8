"""A small renderer: a pinhole camera above a floor, and bodies of round limbs before a depth buffer."""

from dataclasses import dataclass, field

import cv2
import numpy as np

# Nothing nearer than this is drawn, metres.
NEAREST = 0.4
FAR = 1e6


@dataclass
class Camera:
    """`focal` in pixels of the picture; looks along y, `pitch` radians down, from `height` metres over the
    floor z = 0; x is to the right."""

    width: int
    height_px: int
    focal: float
    pitch: float
    height: float
    roll: float = 0.0

    def __post_init__(self):
        c, s = np.cos(self.pitch), np.sin(self.pitch)
        # Rows: right, up, forward.
        self.axes = np.array([[1, 0, 0], [0, s, c], [0, c, -s]])
        self.turn = np.array([[np.cos(self.roll), -np.sin(self.roll)], [np.sin(self.roll), np.cos(self.roll)]])
        self.middle = np.array([self.width / 2, self.height_px / 2])

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pixels [..., 2] and depths [...] of points [..., 3]."""
        seen = (points - np.array([0, 0, self.height])) @ self.axes.T
        depth = np.maximum(seen[..., 2], NEAREST / 2)
        flat = seen[..., :2] * np.array([1, -1]) * (self.focal / depth[..., None])
        return flat @ self.turn.T + self.middle, seen[..., 2]

    def rays(self, pixels: np.ndarray) -> np.ndarray:
        """Directions [..., 3] of pixels [..., 2]."""
        flat = (pixels - self.middle) @ self.turn / self.focal
        return np.concatenate([flat * np.array([1, -1]), np.ones_like(flat[..., :1])], -1) @ self.axes

    def floor(self, pixel: np.ndarray) -> np.ndarray | None:
        """The point of the floor seen at a pixel, if any."""
        ray = self.rays(np.asarray(pixel, float))
        return None if ray[2] > -1e-3 else ray * (self.height / -ray[2]) + np.array([0, 0, self.height])


@dataclass
class Limb:
    """A stroke with round ends between two points; radii in metres; texture [k, k, 3]."""

    a: np.ndarray
    b: np.ndarray
    ra: float
    rb: float
    texture: np.ndarray


@dataclass
class Canvas:
    """Pixels with depth, and who covers each (0: nobody)."""

    picture: np.ndarray
    light: np.ndarray
    ambient: float
    depth: np.ndarray = field(init=False)
    who: np.ndarray = field(init=False)

    def __post_init__(self):
        self.depth = np.full(self.picture.shape[:2], FAR, np.float32)
        self.who = np.zeros(self.picture.shape[:2], np.int16)

    def limb(self, camera: Camera, limb: Limb, who: int) -> None:
        ends, depths = camera.project(np.stack([limb.a, limb.b]))
        if depths.min() < NEAREST:
            return
        h, w = self.depth.shape
        ra, rb = (r * camera.focal / d for r, d in zip((limb.ra, limb.rb), depths))
        most = max(ra, rb) + 1
        x1, y1 = (max(0, int(v)) for v in ends.min(0) - most)
        x2, y2 = (min(m, int(v) + 2) for v, m in zip(ends.max(0) + most, (w, h)))
        if x1 >= x2 or y1 >= y2:
            return
        x = np.arange(x1, x2, dtype=np.float32)[None] + 0.5 - ends[0, 0]
        y = np.arange(y1, y2, dtype=np.float32)[:, None] + 0.5 - ends[0, 1]
        dx, dy = ends[1] - ends[0]
        t = ((x * dx + y * dy) / max(dx * dx + dy * dy, 1e-6)).clip(0, 1)
        radius = ra + (rb - ra) * t
        nx, ny = (x - t * dx) / radius, (y - t * dy) / radius
        inside = 1 - nx * nx - ny * ny
        nz = np.sqrt(inside.clip(0, 1))
        depth = depths[0] + (depths[1] - depths[0]) * t - (limb.ra + (limb.rb - limb.ra) * t) * nz
        seen = (inside > 0) & (depth < self.depth[y1:y2, x1:x2])
        if not seen.any():
            return
        t, nx, ny, nz = t[seen], nx[seen], ny[seen], nz[seen]
        lit = (nx * self.light[0] - ny * self.light[1] + nz * self.light[2]).clip(0)
        shade = self.ambient + (1 - self.ambient) * lit
        k = limb.texture.shape[0] - 1
        colour = limb.texture[(t * k).astype(int), ((nx * 0.5 + 0.5) * k).astype(int)] * shade[:, None]
        self.picture[y1:y2, x1:x2][seen] = colour
        self.depth[y1:y2, x1:x2][seen] = depth[seen]
        self.who[y1:y2, x1:x2][seen] = who

    def block(self, camera: Camera, low: np.ndarray, high: np.ndarray, colour: np.ndarray) -> None:
        """A box between two corners, standing for furniture; it hides what is behind its middle."""
        corners = np.array([[(low, high)[i >> k & 1][k] for k in range(3)] for i in range(8)])
        flat, depths = camera.project(corners)
        if depths.min() < NEAREST:
            return
        # Top, front, and the side that faces the camera.
        side = (1, 3, 7, 5) if high[0] < 0 else (0, 2, 6, 4)
        for face, bright in ((side, 0.75), ((0, 1, 5, 4), 0.9), ((4, 5, 7, 6), 1.1)):
            if face is side and low[0] <= 0 <= high[0]:
                continue
            mask = np.zeros(self.depth.shape, np.uint8)
            cv2.fillConvexPoly(mask, flat[list(face)].round().astype(np.int32), 1)
            depth = float(depths[list(face)].mean())
            seen = (mask > 0) & (self.depth > depth)
            self.picture[seen] = colour * bright
            self.depth[seen] = depth
            self.who[seen] = 0


def strokes(camera: Camera, limbs: list[Limb], shape: tuple[int, int], sun: np.ndarray) -> np.ndarray:
    """Where limbs keep the light of direction `sun` off the floor: [h, w], 0..1."""
    mask = np.zeros(shape, np.uint8)
    for limb in limbs:
        ends = np.stack([p - sun * (p[2] / sun[2]) for p in (limb.a, limb.b)])
        flat, depths = camera.project(ends)
        if depths.min() < NEAREST or np.abs(flat).max() > 3000:
            continue
        thick = max(1, int(2 * max(limb.ra, limb.rb) * camera.focal / depths.mean() * 0.8))
        a, b = flat.round().astype(int).tolist()
        cv2.line(mask, a, b, 255, thick)
    return mask.astype(np.float32) / 255
