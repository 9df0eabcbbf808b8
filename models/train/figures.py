"""Made pictures: people walking about before a camera that looks down, in rooms and before real pictures.

The pictures at hand show few people with their legs, and hardly any from behind. Drawn figures teach how
far a person reaches, to the feet and with the legs apart, one behind the other and cut off by the
picture's edge; and that the back of a head is no face. Bodies have the proportions of people (lengths as
parts of the stature), a gait, clothes cut out of photos, shadows, and the foreshortening of the camera.
"""

import cv2
import numpy as np

from network import FACE, PERSON
from render import FAR, Camera, Canvas, Limb, strokes

WIDTH, HEIGHT = 384, 216
# Drawn larger by this and shrunk, for soft edges.
FINE = 2
# Stature in the picture, from and to, pixels.
STATURE = (20, 215)
SKIN = ((96, 134, 198), (120, 160, 220), (60, 90, 140), (40, 60, 95), (150, 180, 230))
HAIR = ((20, 22, 28), (30, 40, 60), (40, 70, 110), (110, 160, 190), (150, 150, 155), (15, 15, 18))
TEXELS = 24
# Share of pictures in which nobody is, and least visible part of a person that counts.
NOBODY, VISIBLE = 0.12, 0.35


def patch(lot: np.random.Generator, photos: list[np.ndarray], plain: np.ndarray, mixed: float, k: int) -> np.ndarray:
    """A piece of a photo, tinted towards a colour."""
    photo = photos[lot.integers(len(photos))]
    h, w = (max(8, int(s * lot.uniform(0.1, 0.5))) for s in photo.shape[:2])
    y, x = lot.integers(photo.shape[0] - h + 1), lot.integers(photo.shape[1] - w + 1)
    piece = cv2.resize(photo[y : y + h, x : x + w], (k, k), interpolation=cv2.INTER_AREA).astype(np.float32)
    piece = piece - piece.mean((0, 1)) + plain
    return (piece + (plain - piece) * (1 - mixed)).clip(2, 255).astype(np.float32)


def colour(lot: np.random.Generator, low: float = 12, high: float = 235) -> np.ndarray:
    """Mostly greyish, dark more often than bright, at times vivid."""
    plain = low + (high - low) * lot.random() ** 1.4
    return (plain + lot.uniform(-1, 1, 3) * (10 if lot.random() < 0.65 else 45)).clip(8, 245)


def flat(tone, k: int = TEXELS) -> np.ndarray:
    return np.broadcast_to(np.asarray(tone, np.float32), (k, k, 3))


def turned(v: np.ndarray, angle: float) -> np.ndarray:
    """In the plane of forward and up."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([v[0], v[1] * c - v[2] * s, v[1] * s + v[2] * c])


class Body:
    """Limbs of one person. Body axes: x to its right, y forward, z up; lengths in statures."""

    def __init__(self, lot: np.random.Generator, photos: list[np.ndarray]):
        self.limbs: list[Limb] = []
        self.stature = lot.uniform(1.0, 1.45) if lot.random() < 0.1 else lot.normal(1.7, 0.09)
        self.stout, self.broad = lot.uniform(0.85, 1.3), lot.uniform(0.9, 1.12)
        self.lot = lot
        skin, hair = flat(SKIN[lot.integers(len(SKIN))]), flat(HAIR[lot.integers(len(HAIR))])
        upper = patch(lot, photos, colour(lot), lot.random() ** 2, TEXELS)
        lower = patch(lot, photos, colour(lot, 10, 170), lot.random() ** 2 * 0.6, TEXELS)
        if lot.random() < 0.12:
            lower = upper
        shoe = flat(colour(lot, 10, 120 if lot.random() < 0.7 else 240))
        lean = np.radians(lot.normal(4, 5))
        hip = np.array([0, 0, 0.52])
        self.legs(hip, lower, skin, shoe, lot.random() < 0.18)
        up = turned(np.array([0, 0, 1.0]), -lean)
        neck = hip + 0.30 * up
        self.torso(hip, neck, upper, lower)
        self.arms(neck, lean, upper, skin)
        self.head(neck, up, skin, hair)
        self.things(hip, neck, upper)
        # How far below the origin the lowest sole is: that one stands on the floor.
        self.sunk = min(min(v.a[2] - v.ra, v.b[2] - v.rb) for v in self.limbs)

    def add(self, a, b, ra: float, rb: float, texture: np.ndarray) -> None:
        self.limbs.append(Limb(np.asarray(a, float), np.asarray(b, float), ra, rb, texture))

    def legs(self, hip, lower, skin, shoe, bare: bool) -> None:
        lot = self.lot
        still = lot.random() < 0.25
        phase = lot.uniform(0, 2 * np.pi)
        swing = np.radians(lot.uniform(0, 6) if still else lot.uniform(14, 34))
        if lot.random() < 0.05:
            swing *= 1.4
        wide = lot.uniform(0.0, 0.05) if still else lot.uniform(-0.01, 0.015)
        self.phase, self.swing = phase, swing
        for side in (-1, 1):
            angle = swing * np.sin(phase) * side
            # The leg that comes forward is bent.
            bend = (0.06 if still else 0.12) + 1.9 * swing * max(0.0, np.cos(phase) * side)
            top = hip + np.array([side * 0.052 * self.broad, 0, 0])
            thigh = turned(np.array([0, 0, -0.245]), angle) + np.array([side * wide, 0, 0])
            shin = turned(np.array([0, 0, -0.245]), angle - bend) + np.array([side * wide * 0.5, 0, 0])
            knee, ankle = top + thigh, top + thigh + shin
            toe = turned(np.array([side * 0.012, 0.10, -0.015]), min(0.0, angle - bend) * 0.8)
            self.add(top, knee, 0.056 * self.stout, 0.040, skin if bare else lower)
            self.add(knee, ankle, 0.040, 0.026, skin if bare else lower)
            self.add(ankle - np.array([0, 0.025, 0.005]), ankle + toe, 0.026, 0.021, shoe)
        if bare:
            hem = lot.uniform(0.12, 0.30)
            for side in (-1, 1):
                low = hip + np.array([side * 0.035, 0.0, -hem])
                self.add(hip + np.array([side * 0.03, 0, 0.04]), low, 0.062, lot.uniform(0.06, 0.10), lower)

    def torso(self, hip, neck, upper, lower) -> None:
        across = np.array([1.0, 0, 0])
        for side in (-1, 1):
            s = across * side * self.broad
            back, stout = neck - hip, self.stout
            self.add(hip + s * 0.046, hip + s * 0.05 + back * 0.1, 0.058 * stout, 0.06 * stout, lower)
            self.add(hip + s * 0.04 + back * 0.08, hip + s * 0.048 + back * 0.5, 0.062 * stout, 0.058 * stout, upper)
            self.add(hip + s * 0.048 + back * 0.45, hip + s * 0.062 + back * 0.88, 0.058 * stout, 0.055, upper)
        half, drop = across * 0.095 * self.broad, np.array([0, 0, 0.02])
        self.add(neck - half - drop, neck + half - drop, 0.042, 0.042, upper)

    def arms(self, neck, lean: float, upper, skin) -> None:
        lot = self.lot
        bare, flex = lot.random() < 0.4, lot.uniform(0.1, 0.6)
        for side in (-1, 1):
            shoulder = neck + np.array([side * 0.118 * self.broad, 0, -0.025])
            angle, out, bent = -self.swing * 0.8 * np.sin(self.phase) * side - lean, lot.uniform(0.0, 0.05), flex
            special = lot.random()
            if special < 0.08:  # phone at the ear, a raised hand
                angle, bent = lot.uniform(0.3, 1.8), lot.uniform(0.8, 2.3)
            elif special < 0.2:  # hands before the body
                angle, bent = lot.uniform(-0.2, 0.5), lot.uniform(0.9, 1.8)
            elbow = shoulder + turned(np.array([side * out, 0, -0.165]), angle)
            inward = -side * 0.06 if bent > 0.8 else side * 0.01
            hand = elbow + turned(np.array([inward, 0, -0.15]), angle + bent)
            self.add(shoulder, elbow, 0.037, 0.030, upper)
            self.add(elbow, hand, 0.028, 0.021, skin if bare else upper)
            self.add(hand, hand + (hand - elbow) * 0.25, 0.022, 0.020, skin)
            self.hand = hand

    def head(self, neck, up, skin, hair) -> None:
        lot = self.lot
        nod = turned(up, -lot.uniform(-0.1, 0.45))
        turn = lot.normal(0, 0.35)
        ahead = np.array([np.sin(turn), np.cos(turn), 0])
        base = neck + up * 0.035
        middle = base + nod * 0.075
        self.add(neck, middle, 0.032, 0.03, skin)
        self.add(middle + ahead * 0.012 - nod * 0.03, middle + ahead * 0.012 + nod * 0.012, 0.046, 0.052, skin)
        if lot.random() < 0.93:
            self.add(middle - ahead * 0.012, middle - ahead * 0.004 + nod * 0.03, 0.055, 0.054, hair)
        if lot.random() < 0.4:
            # Long hair, often lighter towards its ends: seen from behind it is no face.
            end = middle - ahead * 0.04 - nod * lot.uniform(0.06, 0.2)
            fade = np.linspace(0, lot.uniform(0, 1), TEXELS)[:, None, None]
            ends = hair + (flat(HAIR[lot.integers(len(HAIR))]) - hair) * fade
            self.add(middle - ahead * 0.018, end, 0.05, lot.uniform(0.03, 0.055), ends)
        for side in (-1, 1):
            across = np.array([ahead[1], -ahead[0], 0]) * side
            eye = middle + ahead * 0.055 + across * 0.02 + nod * 0.008
            self.add(eye, eye + across * 0.008, 0.008, 0.007, flat((30, 30, 40)))
        mouth = middle + ahead * 0.054 - nod * 0.042
        self.add(mouth - [0.012, 0, 0], mouth + [0.012, 0, 0], 0.006, 0.006, flat((60, 60, 120)))
        if lot.random() < 0.2:
            hat = flat(colour(lot))
            self.add(middle - ahead * 0.005 + nod * 0.032, middle + ahead * 0.003 + nod * 0.04, 0.058, 0.054, hat)
            brim = middle + nod * 0.03
            for way in (ahead, np.array([ahead[1], -ahead[0], 0])):
                self.add(brim - way * lot.choice([0.03, 0.08]), brim + way * 0.085, 0.014, 0.014, hat)
        self.middle, self.ahead = middle, ahead

    def things(self, hip, neck, upper) -> None:
        lot, dice = self.lot, self.lot.random()
        tone = flat(colour(lot, 10, 180))
        if dice < 0.12:  # a rucksack
            self.add(neck + [0, -0.09, -0.05], hip + [0, -0.1, 0.1], 0.06, 0.07, tone)
        elif dice < 0.25:  # a bag in the hand
            self.add(self.hand + [-0.03, -0.03, -0.1], self.hand + [0.03, 0.05, -0.1], 0.045, 0.045, tone)
        elif dice < 0.42:  # a coat
            length = lot.uniform(0.08, 0.3)
            for side in (-1, 1):
                collar, hem = neck + [side * 0.06, 0, -0.05], hip + [side * 0.05, 0, -length]
                self.add(collar, hem, 0.062, 0.085, upper)

    def standing(self, place: np.ndarray, heading: float) -> list[Limb]:
        """In the world, metres."""
        c, s = np.cos(heading), np.sin(heading)
        spin = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])

        def put(p):
            return (p - np.array([0, 0, self.sunk])) @ spin.T * self.stature + place

        self.at_head = put(self.middle)
        self.looks = spin @ self.ahead
        return [Limb(put(v.a), put(v.b), v.ra * self.stature, v.rb * self.stature, v.texture) for v in self.limbs]


def room(lot: np.random.Generator, photos: list[np.ndarray], camera: Camera) -> np.ndarray:
    """Floor, walls and ceiling as the camera sees them, with doors and windows."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    rays = camera.rays(np.stack([x, y], -1) + 0.5)
    deep, half = lot.uniform(4, 16), lot.uniform(2, 9)
    high = camera.height + lot.uniform(0.1, 3)
    off = lot.uniform(-0.5, 0.5) * half
    skew = lot.normal(0, 0.25)
    wall = np.array([np.sin(skew), np.cos(skew)])
    with np.errstate(divide="ignore"):
        far = np.stack(
            [
                np.where(rays[..., 2] < -1e-4, camera.height / -rays[..., 2], FAR),
                np.where(rays[..., :2] @ wall > 1e-4, deep / (rays[..., :2] @ wall), FAR),
                np.where(rays[..., 0] < -1e-4, (half + off) / -rays[..., 0], FAR),
                np.where(rays[..., 0] > 1e-4, (half - off) / rays[..., 0], FAR),
                np.where(rays[..., 2] > 1e-4, (high - camera.height) / rays[..., 2], FAR),
            ]
        )
    which = far.argmin(0)
    hit = rays * far.min(0)[..., None] + np.array([0, 0, camera.height])
    out = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    plain = colour(lot, 70, 240)
    for k in range(5):
        here = which == k
        if not here.any():
            continue
        u, v = (hit[..., 0], hit[..., 1]) if k in (0, 4) else (hit[..., int(k > 1)], hit[..., 2])
        u, v = u[here], v[here]
        tone = colour(lot, 25, 215) if k == 0 else plain * lot.uniform(0.85, 1.1)
        cloth = patch(lot, photos, tone, lot.random() ** 3 * (0.8 if k == 0 else 0.35), 96)
        per = lot.uniform(0.5, 5.0)
        shown = cloth[(v / per * 96).astype(int) % 96, (u / per * 96).astype(int) % 96]
        if k == 0 and lot.random() < 0.6:  # planks or tiles
            wide = lot.uniform(0.08, 0.7)
            if lot.random() < 0.5:
                u, v = v, u
            plank = np.floor(u / wide).astype(int)
            shown = shown * (1 + lot.normal(0, lot.uniform(0, 0.12), 512))[plank % 512, None]
            shown = np.where(((u / wide) % 1 < 0.05)[:, None], shown * lot.uniform(0.6, 1.1), shown)
        if k in (1, 2, 3):
            skirting = v < lot.uniform(0.05, 0.2)
            if lot.random() < 0.5:
                shown[skirting] *= lot.uniform(0.3, 0.9)
            for _ in range(lot.integers(0, 4)):  # doors, windows, pictures
                wide, tall = lot.uniform(0.4, 2.2), lot.uniform(0.5, 2.3)
                left = lot.uniform(-half, half) if k == 1 else lot.uniform(0, deep)
                low = lot.choice([0.0, lot.uniform(0.5, 2)])
                # How far a point lies within it, from the nearest side.
                within = np.minimum(np.minimum(u - left, left + wide - u), np.minimum(v - low, low + tall - v))
                inside, rim = within > 0, (within > 0) & (within < 0.08)
                shown[inside] = shown[inside] * 0.2 + 0.8 * colour(lot, 10, 240)
                shown[rim] = colour(lot, 10, 200)
        out[here] = shown
    fall = 1 / (1 + (far.min(0) / lot.uniform(8, 40)) ** 2)
    glow = cv2.GaussianBlur(lot.normal(1, 0.5, (12, 20)).astype(np.float32), (0, 0), 2.0)
    return (out * fall[..., None] * cv2.resize(glow, (WIDTH, HEIGHT))[..., None].clip(0.6, 1.4)).clip(0, 255)


def behind(lot: np.random.Generator, photos: list[np.ndarray]) -> np.ndarray:
    """A part of a real picture."""
    photo = photos[lot.integers(len(photos))]
    scale = max(WIDTH / photo.shape[1], HEIGHT / photo.shape[0]) * lot.uniform(1.0, 1.6)
    large = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    y, x = (lot.integers(large.shape[i] - (HEIGHT, WIDTH)[i] + 1) for i in (0, 1))
    return large[y : y + HEIGHT, x : x + WIDTH].astype(np.float32)


def places(lot: np.random.Generator, camera: Camera, count: int) -> list[tuple[np.ndarray, float]]:
    """Where people stand on the floor and which way they look; some walk together."""
    found: list[tuple[np.ndarray, float]] = []
    for _ in range(60):
        if len(found) >= count:
            break
        heading = lot.uniform(-np.pi, np.pi)
        if found and lot.random() < 0.55:
            near, way = found[lot.integers(len(found))]
            turn, apart = lot.uniform(0, 2 * np.pi), lot.uniform(0.45, 1.0)
            place, heading = near + apart * np.array([np.cos(turn), np.sin(turn), 0]), way + lot.normal(0, 0.3)
        else:
            pixel = lot.uniform([-0.03 * WIDTH, 0.22 * HEIGHT], [1.03 * WIDTH, 1.3 * HEIGHT])
            if lot.random() < 0.15:  # about to leave
                pixel[0] = lot.choice([0.0, WIDTH]) + lot.uniform(-0.04, 0.04) * WIDTH
            place = camera.floor(pixel)
        if place is None or any(np.hypot(*(place - p)[:2]) < 0.4 for p, _ in found):
            continue
        ends, depth = camera.project(np.stack([place, place + [0, 0, 1.7]]))
        if depth.min() > 0.8 and STATURE[0] < np.hypot(*(ends[0] - ends[1])) < STATURE[1]:
            found.append((place, heading))
    return found


def viewed(lot: np.random.Generator) -> Camera:
    """A camera whose people have a size drawn by lot, every doubling as likely as the other."""
    pitch = np.radians(lot.uniform(4, 48))
    focal = WIDTH / 2 / np.tan(np.radians(lot.uniform(42, 100)) / 2)
    # Where it looks, a person of 1.7 m is `tall` pixels.
    tall = np.exp(lot.uniform(*np.log([28, 185])))
    away = focal * 1.7 * np.cos(pitch) / tall
    height = (away * np.sin(pitch) + lot.uniform(0.4, 1.4)).clip(1.6, 9.0)
    return Camera(WIDTH, HEIGHT, focal, pitch, height, np.radians(lot.normal(0, 2.5)))


def made(lot: np.random.Generator, photos: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """One picture and its label rows (pack.COLUMNS)."""
    camera = viewed(lot)
    picture = room(lot, photos, camera) if lot.random() < 0.55 else behind(lot, photos)
    light = lot.normal(0, 0.5, 3) + [0, 0.8, 0.6]
    large = cv2.resize(picture, (WIDTH * FINE, HEIGHT * FINE)).astype(np.float32)
    canvas = Canvas(large, light / np.linalg.norm(light), lot.uniform(0.45, 0.8))
    fine = Camera(WIDTH * FINE, HEIGHT * FINE, camera.focal * FINE, camera.pitch, camera.height, camera.roll)
    people = [] if lot.random() < NOBODY else places(lot, camera, min(7, 1 + lot.geometric(0.42)))
    bodies = [Body(lot, photos) for _ in people]
    standing = [body.standing(*place) for body, place in zip(bodies, people)]
    sun = lot.normal(0, 0.45, 3) + [0, 0, 1.0]
    dark, shape = lot.uniform(0, 0.5), canvas.depth.shape
    shadow = np.zeros(shape, np.float32)
    for limbs in standing:
        if lot.random() < 0.85:
            shadow = np.maximum(shadow, strokes(fine, limbs, shape, sun / sun[2]))
    soft = cv2.GaussianBlur(shadow, (0, 0), lot.uniform(1.0, 6.0))
    canvas.picture *= (1 - dark * soft)[..., None]
    if lot.random() < 0.3 and people:
        reflect(canvas, fine, standing, lot.uniform(0.05, 0.3))
    for _ in range(lot.integers(0, 4) if lot.random() < 0.4 else 0):
        furnish(lot, canvas, fine)
    for i, limbs in enumerate(standing):
        for limb in limbs:
            canvas.limb(fine, limb, i + 1)
    rows = []
    for i, limbs in enumerate(standing):
        ys, xs = np.nonzero(canvas.who == i + 1)
        if len(xs) < 20:
            continue
        whole = np.concatenate([fine.project(np.stack([v.a, v.b]))[0] for v in limbs])
        box = np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]) / FINE
        ends = np.array([*whole.min(0), *whole.max(0)]) / FINE
        part = (box[2:] - box[:2]).prod() / max(1.0, (ends[2:] - ends[:2]).prod())
        rows.append((*box, PERSON, float(part < VISIBLE), 1.0))
        head, depth = fine.project(bodies[i].at_head)
        towards = -bodies[i].looks @ (bodies[i].at_head - [0, 0, camera.height])
        if depth > 0.5 and towards > -0.3 * np.linalg.norm(bodies[i].at_head):
            # A face of sorts may be seen: neither one nor none.
            r = 0.075 * bodies[i].stature * fine.focal / depth
            face = np.array([head[0] - r, head[1] - r, head[0] + r, head[1] + r]) / FINE
            face = face.clip(0, [WIDTH, HEIGHT] * 2)
            if (face[2:] - face[:2]).min() > 1:
                rows.append((*face, FACE, 1.0, 0.0))
    out = cv2.resize(canvas.picture, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    if lot.random() < 0.6:
        out = cv2.GaussianBlur(out, (0, 0), lot.uniform(0.3, 0.9))
    return out.clip(0, 255).astype(np.uint8), np.array(rows, np.float32).reshape(-1, 7)


def reflect(canvas: Canvas, camera: Camera, standing: list[list[Limb]], strength: float) -> None:
    """A polished floor shows people upside down; that is no part of them."""
    mirror = Canvas(canvas.picture.copy(), canvas.light, canvas.ambient)
    down = np.array([1, 1, -1])
    for limbs in standing:
        for v in limbs:
            mirror.limb(camera, Limb(v.a * down, v.b * down, v.ra, v.rb, v.texture), 1)
    mask = cv2.GaussianBlur((mirror.who > 0).astype(np.float32), (0, 0), 2.0)[..., None] * strength
    blurred = cv2.GaussianBlur(mirror.picture, (0, 0), 1.5)
    canvas.picture[:] = canvas.picture * (1 - mask) + blurred * mask


def furnish(lot: np.random.Generator, canvas: Canvas, camera: Camera) -> None:
    """Something that stands on the floor and is nobody: a box, a table, a post, a bush."""
    h, w = canvas.depth.shape
    place = camera.floor(lot.uniform([0, 0.3 * h], [w, 1.1 * h]))
    if place is None:
        return
    dice, tone = lot.random(), colour(lot)
    if dice < 0.5:
        size = np.array([lot.uniform(0.2, 1.0), lot.uniform(0.2, 0.6), lot.uniform(0.3, 1.9)])
        canvas.block(camera, place - size * [1, 1, 0], place + size, tone)
    elif dice < 0.75:
        r = lot.uniform(0.04, 0.25)
        top = place + [0, 0, lot.uniform(0.5, 2.5)]
        canvas.limb(camera, Limb(place, top, r, r * lot.uniform(0.5, 1.5), flat(tone)), 0)
    else:
        for _ in range(lot.integers(4, 14)):
            at = place + lot.normal(0, 0.2, 3) + [0, 0, lot.uniform(0.3, 1.3)]
            r = lot.uniform(0.05, 0.25)
            canvas.limb(camera, Limb(at, at + lot.normal(0, 0.2, 3), r, r * 0.7, flat(tone * lot.uniform(0.6, 1.3))), 0)
