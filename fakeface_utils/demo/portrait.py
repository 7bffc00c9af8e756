"""A parametric portrait: face, hair, eyes, nose, mouth, ears, neck, clothes, light, background.

Pillow draws it from random numbers, larger than asked, and reduces it; skin texture and strands of
hair are its fine detail.
"""

import colorsys
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Key = tuple[int, ...]  # what decides a portrait
Floats = NDArray[np.floating[Any]]
Points = NDArray[np.float64]
Colour = tuple[float, float, float]

_T = np.linspace(0, 1, 9)[:, None] ** np.arange(4)

_CATMULL_ROM = _T @ np.array([[0, 2, 0, 0], [-1, 0, 1, 0], [2, -5, 4, -1], [-1, 3, -3, 1]]) / 2


def mix(a: Sequence[float], b: Sequence[float], t: float) -> Colour:
    """The colour a fraction t of the way from a to b."""
    return tuple(x + (y - x) * t for x, y in zip(a, b, strict=True))  # type: ignore[return-value]


def hsv(
    rng: np.random.Generator, saturation: tuple[float, float], value: tuple[float, float]
) -> Colour:
    """A colour of any hue, 0..255."""
    rgb = colorsys.hsv_to_rgb(rng.uniform(), rng.uniform(*saturation), rng.uniform(*value))
    return (rgb[0] * 255, rgb[1] * 255, rgb[2] * 255)


def palette(rng: np.random.Generator, colours: Sequence[Sequence[float]]) -> Colour:
    """A colour between two neighbours of the palette, slightly varied."""
    at = rng.uniform(0, len(colours) - 1)
    first = min(int(at), len(colours) - 2)
    mixed = mix(colours[first], colours[first + 1], at - first)
    return tuple(c * f for c, f in zip(mixed, rng.uniform(0.95, 1.05, 3), strict=True))


def arc(cx: float, cy: float, rx: float, ry: float, start: float = 0, end: float = 360) -> Points:
    """Points of an ellipse between two angles in degrees, from the top and clockwise."""
    t = np.radians(np.linspace(start, end, 33))
    return np.stack([cx + rx * np.sin(t), cy - ry * np.cos(t)], axis=1)


def curve(*points: tuple[float, float]) -> Points:
    """A smooth open curve (Catmull-Rom) through the points."""
    p = np.array([points[0], *points, points[-1]], dtype=np.float64)
    windows = np.arange(len(points) - 1)[:, None] + np.arange(4)
    return (_CATMULL_ROM @ p[windows]).reshape(-1, 2)


class Canvas:
    """A Pillow image in head coordinates: origin between the ears, 1 = half a face's height."""

    def __init__(self, rng: np.random.Generator, side: int) -> None:
        self.side = side
        self.image = Image.new("RGB", (side, side))
        self._draw = ImageDraw.Draw(self.image)
        self.unit = side * rng.uniform(0.29, 0.35)
        self.centre = side * np.array([0.5 + rng.normal(0, 0.02), 0.5 + rng.normal(0, 0.015)])
        roll = rng.normal(0, 0.07)
        self.rotation = np.array(
            [[math.cos(roll), -math.sin(roll)], [math.sin(roll), math.cos(roll)]]
        )

    def _pixels(self, points: Points) -> Any:
        """The points in pixels, as nested lists: Pillow takes [x, y, x, y, ...]."""
        pixels = points @ self.rotation.T * self.unit + self.centre
        return pixels.reshape(*points.shape[:-2], -1).tolist()

    def fill(self, points: Points, colour: Colour) -> None:
        """A filled polygon: points (n, 2)."""
        self._draw.polygon(self._pixels(points), fill=rgb(colour))

    def line(self, points: Points, colour: Colour, width: float) -> None:
        """An open line through points (n, 2), its width in head units."""
        pixels = max(1, round(width * self.unit))
        self._draw.line(self._pixels(points), fill=rgb(colour), width=pixels, joint="curve")

    def lines(self, points: Points, colours: NDArray[np.float64], width: float) -> None:
        """Many lines at once: points (lines, points, 2), colours (lines, 3)."""
        pixels = max(1, round(width * self.unit))
        whole = np.clip(np.rint(colours), 0, 255).astype(int).tolist()
        for line, colour in zip(self._pixels(points), whole, strict=True):
            self._draw.line(line, fill=tuple(colour), width=pixels)

    def head_grid(self, size: int) -> tuple[Floats, Floats]:
        """Head coordinates (x, y) of the pixels of the image reduced to size."""
        at = (np.arange(size, dtype=np.float32) + 0.5) * (self.side / size)
        u, v = at - np.float32(self.centre[0]), at[:, None] - np.float32(self.centre[1])
        (cos, sin), _ = (self.rotation.T / self.unit).astype(np.float32)
        return cos * u + sin * v, cos * v - sin * u


def rgb(colour: Colour) -> tuple[int, int, int]:
    """A colour as Pillow takes it."""
    r, g, b = (min(255, max(0, round(c))) for c in colour)
    return (r, g, b)


_SKIN = [bytes.fromhex(rgb) for rgb in "ffdec4 f3c7a4 e2ae84 c48a62 925e40 623e2c".split()]
_HAIR = [bytes.fromhex(rgb) for rgb in "221b19 3a281f 62422a 96683e ceaa70 944a2c 9e9a96".split()]
_IRIS = [bytes.fromhex(rgb) for rgb in "462d19 5f7896 5a6e46 322016".split()]


def _draw_background(canvas: Canvas, rng: np.random.Generator) -> None:
    top, bottom = hsv(rng, (0.1, 0.5), (0.35, 0.95)), hsv(rng, (0.1, 0.45), (0.3, 0.85))
    ramp = np.linspace(top, bottom, canvas.side)[:, None].repeat(canvas.side, axis=1)
    canvas.image.paste(Image.fromarray(ramp.astype(np.uint8)))
    for _ in range(rng.integers(0, 7)):  # out-of-focus lights
        x, y, r = rng.uniform(-1.6, 1.6), rng.uniform(-1.6, 1.2), rng.uniform(0.08, 0.35)
        canvas.fill(arc(x, y, r, r), mix(top, hsv(rng, (0.1, 0.5), (0.6, 1)), 0.35))


def _draw_strands(
    canvas: Canvas, rng: np.random.Generator, roots: Points, tips: Points, hair: Colour, number: int
) -> None:
    """Thin curves from one contour to another, lighter and darker than the hair."""
    bend = rng.normal(0, 0.03, (number, 2))
    at = rng.uniform(0, 1, number)
    root = roots[(at * (len(roots) - 1)).astype(int)] + bend
    tip = tips[(at * (len(tips) - 1)).astype(int)] + bend[:, ::-1]
    shade = rng.normal(0, 0.16, (number, 1))
    base, light = np.array(hair), np.array([255, 240, 215])
    colours = base + shade * np.where(shade > 0, light - base, 1.6 * base)
    canvas.lines(np.stack([root, (root + tip) / 2 + bend, tip], axis=1), colours, 0.018)


def _draw_body(canvas: Canvas, rng: np.random.Generator, skin: Colour) -> None:
    clothes = hsv(rng, (0.1, 0.7), (0.2, 0.9))
    shoulder, neck = rng.uniform(1.35, 1.5), rng.uniform(0.36, 0.44)
    outline = curve((-2.6, 3), (-2, 1.85), (-1.1, shoulder + 0.08), (-neck, shoulder - 0.14))
    collar = curve(
        (-neck, shoulder - 0.14), (0, shoulder + rng.uniform(0.1, 0.5)), (neck, shoulder - 0.14)
    )
    throat = curve(
        (-neck, 0.4), (-neck, shoulder - 0.4), (-neck - 0.25, shoulder), (0, shoulder + 0.7)
    )
    canvas.fill(np.concatenate([throat, throat[::-1] * (-1, 1)]), mix(skin, (60, 20, 10), 0.12))
    canvas.fill(np.concatenate([outline, collar, outline[::-1] * (-1, 1)]), clothes)
    canvas.line(
        collar, mix(clothes, (255, 255, 255) if rng.uniform() < 0.5 else (0, 0, 0), 0.3), 0.06
    )
    canvas.fill(arc(0, 0.62, neck, 0.6), mix(skin, (50, 15, 10), 0.3))  # shadow of the chin
    for x in rng.uniform(-2, 2, 14):  # folds
        canvas.line(
            curve((x, 3), (x * 0.8, 2.1), (x * 0.7, 1.75)), mix(clothes, (0, 0, 0), 0.12), 0.02
        )


def _draw_eye(
    canvas: Canvas, x: float, y: float, look: Sequence[float], iris: Colour, skin: Colour
) -> None:
    w, h, gaze = look[0], look[1], x + look[2]
    lid = curve((x - w, y + 0.01), (x - 0.4 * w, y - h), (x + 0.4 * w, y - h), (x + w, y + 0.01))
    low = curve((x + w, y + 0.01), (x, y + 0.75 * h), (x - w, y + 0.01))
    canvas.fill(np.concatenate([lid, low]), (240, 236, 230))
    canvas.fill(arc(gaze, y - 0.1 * h, 0.95 * h, 0.95 * h), iris)
    canvas.fill(arc(gaze, y - 0.1 * h, 0.5 * h, 0.5 * h), (18, 14, 14))
    canvas.fill(arc(gaze + 0.3 * h, y - 0.45 * h, 0.22 * h, 0.22 * h), (255, 255, 255))
    above = curve(
        (x - 1.1 * w, y),
        (x, y - 1.75 * h),
        (x + 1.1 * w, y),
        (x + 0.4 * w, y - h),
        (x - 0.4 * w, y - h),
    )
    canvas.fill(above, mix(skin, (70, 30, 20), 0.14))
    canvas.line(lid, mix(skin, (25, 12, 10), 0.8), 0.04)
    canvas.line(low, mix(skin, (60, 25, 20), 0.35), 0.02)


def _draw_features(
    canvas: Canvas, rng: np.random.Generator, skin: Colour, hair: Colour, yaw: float
) -> None:
    iris = mix(_IRIS[rng.integers(4)], (0, 0, 0), rng.uniform(0, 0.3))
    look = rng.uniform(0.14, 0.175), rng.uniform(0.065, 0.095), rng.normal(0, 0.015)
    eye_y, gap, brow = rng.uniform(-0.14, -0.05), rng.uniform(0.3, 0.35), rng.uniform(0.035, 0.075)
    brow_y, tilt = eye_y - rng.uniform(0.19, 0.25), rng.normal(0, 0.03)
    for side in (-1, 1):
        x = side * gap + yaw
        _draw_eye(canvas, x, eye_y, look, iris, skin)
        inner, outer = (
            (x - side * 0.16, brow_y + 0.03 - tilt),
            (x + side * 0.2, brow_y + 0.04 + tilt),
        )
        middle = (x + side * 0.04, brow_y - 0.035)
        canvas.line(curve(inner, middle, outer), mix(hair, (30, 20, 15), 0.45), brow)
    nose_y, nose = rng.uniform(0.24, 0.33), rng.uniform(0.09, 0.13)
    shade, side = mix(skin, (80, 30, 20), 0.25), 1 if rng.uniform() < 0.5 else -1
    bridge = curve(
        (yaw + side * 0.07, eye_y),
        (1.5 * yaw + side * 0.06, nose_y - 0.14),
        (1.7 * yaw + side * nose, nose_y),
    )
    canvas.line(bridge, mix(skin, shade, 0.6), 0.035)
    canvas.line(
        curve((1.7 * yaw - nose, nose_y), (1.7 * yaw, nose_y + 0.05), (1.7 * yaw + nose, nose_y)),
        shade,
        0.045,
    )
    for s in (-1, 1):
        canvas.fill(
            arc(1.7 * yaw + s * 0.5 * nose, nose_y + 0.015, 0.028, 0.02),
            mix(skin, (50, 15, 12), 0.65),
        )
    _draw_mouth(canvas, rng, skin, 1.3 * yaw, nose_y + rng.uniform(0.22, 0.28))
    if rng.uniform() < 0.15:
        frame = hsv(rng, (0.1, 0.6), (0.08, 0.4))
        for s in (-1, 1):
            canvas.line(arc(s * (gap + 0.01) + yaw, eye_y + 0.02, 0.25, 0.19), frame, 0.035)
            canvas.line(
                curve((s * (gap + 0.26) + yaw, eye_y), (s * 0.76, eye_y - 0.02)), frame, 0.035
            )
        canvas.line(
            curve((yaw - 0.08, eye_y), (yaw, eye_y - 0.03), (yaw + 0.08, eye_y)), frame, 0.035
        )


def _draw_mouth(canvas: Canvas, rng: np.random.Generator, skin: Colour, x: float, y: float) -> None:
    w, smile, full = rng.uniform(0.2, 0.3), rng.uniform(0, 0.08), rng.uniform(0.05, 0.085)
    lips = mix(skin, (176, 48, 62), rng.uniform(0.3, 0.65))
    corner_l, corner_r = (x - w, y - smile), (x + w, y - smile)
    upper = curve(
        corner_l, (x - 0.25 * w, y - full), (x, y - 0.75 * full), (x + 0.25 * w, y - full), corner_r
    )
    low = y + 0.9 * full + smile / 2
    lower = curve(corner_r, (x + 0.45 * w, low), (x - 0.45 * w, low), corner_l)
    canvas.fill(np.concatenate([upper, lower]), lips)
    parting = curve(corner_l, (x, y + 0.35 * smile), corner_r)
    if smile > 0.045:  # teeth
        below = curve(corner_r, (x, y + smile), corner_l)
        canvas.fill(np.concatenate([parting, below]), (244, 238, 230))
    canvas.line(parting, mix(lips, (40, 8, 12), 0.6), 0.025)


def draw_portrait(rng: np.random.Generator, size: int) -> Floats:
    """A portrait before camera or generator: (size, size, 3) float32 RGB, 0..255."""
    canvas = Canvas(rng, size * max(2, math.ceil(256 / size)))
    _draw_background(canvas, rng)
    skin, hair = palette(rng, _SKIN), palette(rng, _HAIR)
    if sum(skin) < 400:
        hair = mix(hair, (30, 24, 22), 0.8)
    yaw, width, jaw = rng.normal(0, 0.05), rng.uniform(0.7, 0.8), rng.uniform(0.12, 0.26)
    volume, long = rng.uniform(0.06, 0.18), rng.uniform() < 0.5
    if long:
        low = rng.uniform(0.9, 1.7)
        side = curve(
            (0, -1.1 - volume),
            (width + volume, -0.5),
            (width + 0.2 + volume, 0.5),
            (width + volume, low),
            (0.25, low + 0.1),
        )
        back = np.concatenate([side, side[::-1] * (-1, 1)])
        canvas.fill(back, mix(hair, (0, 0, 0), 0.2))
        _draw_body(canvas, rng, skin)
        for s in (-1, 1):
            lock = curve(
                (0.5 * s, -0.9),
                (s * (width + volume), -0.3),
                (s * (width + 0.16 + volume), 0.5),
                (s * (width + volume), low),
                (s * (width - 0.2), low + 0.05),
                (s * (width - 0.12), 0.3),
            )
            canvas.fill(lock, mix(hair, (0, 0, 0), 0.1))
            roots = curve((s * width, -0.5), (s * (width + volume), -0.4))
            tips = curve((s * (width - 0.18), low), (s * (width + volume), low))
            _draw_strands(canvas, rng, roots, tips, hair, 26)
    else:
        _draw_body(canvas, rng, skin)
        canvas.fill(
            arc(0, -0.3, width + 0.06 + volume / 2, 0.8 + volume), mix(hair, (0, 0, 0), 0.25)
        )
        for s in (-1, 1):
            canvas.fill(arc(s * width, 0.06, 0.12, 0.2), mix(skin, (90, 30, 20), 0.14))
    t = np.radians(np.linspace(0, 360, 49))
    down = np.clip(-np.cos(t), 0, 1)
    face = np.stack(
        [width * np.sin(t) * (1 - jaw * down**1.5) + 0.6 * yaw * down, -np.cos(t)], axis=1
    )
    canvas.fill(face, skin)
    _draw_features(canvas, rng, skin, hair, yaw)
    part, line = rng.uniform(-0.4, 0.4), rng.uniform(-0.78, -0.55)
    outer = arc(
        0, -0.25, width + 0.05 + volume / 2, 0.85 + volume, -88 if long else -82, 88 if long else 82
    )
    temple = rng.uniform(-0.35, -0.1) if not long else 0.1
    inner = curve(
        (-width - 0.02, temple),
        (-width + 0.14, -0.45),
        (part - 0.25, line + 0.02),
        (part, line - 0.06),
        (part + 0.25, line),
        (width - 0.14, -0.45),
        (width + 0.02, temple),
    )
    canvas.fill(np.concatenate([outer, inner[::-1]]), hair)
    _draw_strands(canvas, rng, outer, inner, hair, 80)
    reduced = canvas.image.resize((size, size), Image.Resampling.BOX)
    return _shade(np.asarray(reduced, dtype=np.float32), canvas, rng, yaw)


def look(key: Key, size: int) -> tuple[np.uint64, NDArray[np.uint8]]:
    """A portrait's perceptual hash and its pixels at 32 px, before camera or generator."""
    import imagehash  # slow to import, so here only

    scene = draw_portrait(np.random.default_rng([*key, 0]), 2 * size).astype(np.uint8)
    small = Image.fromarray(scene).resize((64, 64), Image.Resampling.BILINEAR)
    bits = np.packbits(imagehash.phash(small).hash).view(np.uint64)[0]
    return bits, np.asarray(small.reduce(2))


def _shade(pixels: Floats, canvas: Canvas, rng: np.random.Generator, yaw: float) -> Floats:
    """Light from one side (Lambert on an ellipsoid), cheeks, eye sockets, and a fine texture."""
    x, y = canvas.head_grid(len(pixels))
    direction = np.array([rng.uniform(-0.6, 0.6), rng.uniform(-0.7, -0.1), 1.0])
    light = (direction / np.linalg.norm(direction)).tolist()
    nx, ny = np.clip(x / 2, -0.7, 0.7), np.clip(y / 2.4, -0.7, 0.7)
    nz = np.sqrt(1 - nx**2 - ny**2)  # the clipping keeps it real
    gain = 0.62 + 0.45 * np.clip(nx * light[0] + ny * light[1] + nz * light[2], 0, 1)
    spots = ((-0.33, -0.1, 0.16, -0.12), (0.33, -0.1, 0.16, -0.12), (1.6 * yaw, 0.18, 0.07, 0.1))
    for cx, cy, r, amount in (*spots, (0, -0.5, 0.25, 0.05)):  # sockets, nose, forehead
        gain += amount * np.exp(((x - cx) ** 2 + (y - cy) ** 2) / (-2 * r**2))
    blush = np.exp(((np.abs(x) - 0.42) ** 2 + (y - 0.28) ** 2) / -0.05)
    texture = 1 + rng.uniform(0.011, 0.033) * rng.standard_normal(x.shape, dtype=np.float32)
    lit = pixels * (gain * texture * rng.uniform(0.9, 1.1))[..., None]
    lit[..., 1] *= 1 - 0.08 * blush
    lit[..., 2] *= 1 - 0.07 * blush
    return np.clip(lit, 0, 255)
