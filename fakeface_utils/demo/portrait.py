"""A parametric portrait: face, hair, eyes, nose, mouth, ears, neck, clothes, light, background.

Pillow draws it from random numbers, larger than asked, and reduces it; skin texture and strands of
hair are its fine detail.
"""

import colorsys
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw

Key = tuple[int, ...]  # what decides a portrait
Floats = NDArray[np.floating[Any]]
Points = NDArray[np.float64]
Colour = tuple[float, float, float]

_WINDOW = np.array([[0, 2, 0, 0], [-1, 0, 1, 0], [2, -5, 4, -1], [-1, 3, -3, 1]])
_CATMULL_ROM = np.linspace(0, 1, 9)[:, None] ** np.arange(4) @ _WINDOW / 2
_BLACK, _WHITE = (0, 0, 0), (255, 255, 255)
_SKIN = [bytes.fromhex(rgb) for rgb in "ffdec4 f3c7a4 e2ae84 c48a62 925e40 623e2c".split()]
_HAIR = [bytes.fromhex(rgb) for rgb in "221b19 3a281f 62422a 96683e ceaa70 944a2c 9e9a96".split()]
_IRIS = [bytes.fromhex(rgb) for rgb in "462d19 5f7896 5a6e46 322016".split()]


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


def curve(x: ArrayLike, y: ArrayLike) -> Points:
    """A smooth open curve (Catmull-Rom) through points."""
    points = np.stack([x, y], axis=1).astype(np.float64)
    windows = np.arange(len(points) - 1)[:, None] + np.arange(4)
    return (_CATMULL_ROM @ np.pad(points, ((1, 1), (0, 0)), "edge")[windows]).reshape(-1, 2)


def mirrored(points: Points) -> Points:
    """The same on the other side of the face, backwards: after `points`, it closes a shape."""
    return points[::-1] * (-1, 1)


class Canvas:
    """A Pillow image in head coordinates: origin between the ears, 1 = half a face's height."""

    def __init__(self, rng: np.random.Generator, side: int) -> None:
        self.side = side
        self.image = Image.new("RGB", (side, side))
        self._draw = ImageDraw.Draw(self.image)
        self.unit = side * rng.uniform(0.29, 0.35)
        self.centre = side * np.array([0.5 + rng.normal(0, 0.02), 0.5 + rng.normal(0, 0.015)])
        cos, sin = math.cos(roll := rng.normal(0, 0.07)), math.sin(roll)
        self.rotation = np.array([[cos, -sin], [sin, cos]])

    def _pixels(self, points: Points) -> Any:
        """The points in pixels, as nested lists: Pillow takes [x, y, x, y, ...]."""
        pixels = points @ self.rotation.T * self.unit + self.centre
        return pixels.reshape(*points.shape[:-2], -1).tolist()

    def fill(self, colour: Colour, *parts: Points) -> None:
        """A filled polygon, whose outline (n, 2) may be given in parts."""
        self._draw.polygon(self._pixels(np.concatenate(parts)), fill=rgb(colour))

    def line(self, colour: Colour, points: Points, width: float) -> None:
        """An open line through points (n, 2), its width in head units."""
        pixels = max(1, round(width * self.unit))
        self._draw.line(self._pixels(points), fill=rgb(colour), width=pixels, joint="curve")

    def lines(self, colours: Floats, points: Points, width: float) -> None:
        """Many lines at once: colours (lines, 3), points (lines, points, 2)."""
        pixels = max(1, round(width * self.unit))
        for line, colour in zip(self._pixels(points), colours.tolist(), strict=True):
            self._draw.line(line, fill=rgb(colour), width=pixels)

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
        low, wide = rng.uniform(0.9, 1.7), width + volume
        across = [0, wide, width + 0.2 + volume, wide, 0.25]
        back = curve(across, [-1.1 - volume, -0.5, 0.5, low, low + 0.1])
        canvas.fill(mix(hair, _BLACK, 0.2), back, mirrored(back))
        _draw_body(canvas, rng, skin)
        across = [0.5, wide, width + 0.16 + volume, wide, width - 0.2, width - 0.12]
        lock = curve(across, [-0.9, -0.3, 0.5, low, low + 0.05, 0.3])
        roots, tips = curve([width, wide], [-0.5, -0.4]), curve([width - 0.18, wide], [low, low])
        for side in ((-1, 1), (1, 1)):
            canvas.fill(mix(hair, _BLACK, 0.1), lock * side)
            _draw_strands(canvas, rng, roots * side, tips * side, hair, 26)
    else:
        _draw_body(canvas, rng, skin)
        cap = arc(0, -0.3, width + 0.06 + volume / 2, 0.8 + volume)
        canvas.fill(mix(hair, _BLACK, 0.25), cap)
        for x in (-width, width):
            canvas.fill(mix(skin, (90, 30, 20), 0.14), arc(x, 0.06, 0.12, 0.2))
    t = np.radians(np.linspace(0, 360, 49))
    down = np.clip(-np.cos(t), 0, 1)
    cheeks = width * np.sin(t) * (1 - jaw * down**1.5) + 0.6 * yaw * down
    canvas.fill(skin, np.stack([cheeks, -np.cos(t)], axis=1))
    _draw_features(canvas, rng, skin, hair, yaw)
    part, line = rng.uniform(-0.4, 0.4), rng.uniform(-0.78, -0.55)
    end = 88 if long else 82
    outer = arc(0, -0.25, width + 0.05 + volume / 2, 0.85 + volume, -end, end)
    temple = 0.1 if long else rng.uniform(-0.35, -0.1)
    inner = curve(
        [-width - 0.02, -width + 0.14, part - 0.25, part, part + 0.25, width - 0.14, width + 0.02],
        [temple, -0.45, line + 0.02, line - 0.06, line, -0.45, temple],
    )
    canvas.fill(hair, outer, inner[::-1])
    _draw_strands(canvas, rng, outer, inner, hair, 80)
    reduced = canvas.image.resize((size, size), Image.Resampling.BOX)
    return _shade(np.asarray(reduced, dtype=np.float32), canvas, rng, yaw)


def _draw_background(canvas: Canvas, rng: np.random.Generator) -> None:
    top, bottom = hsv(rng, (0.1, 0.5), (0.35, 0.95)), hsv(rng, (0.1, 0.45), (0.3, 0.85))
    ramp = np.linspace(top, bottom, canvas.side)[:, None].repeat(canvas.side, axis=1)
    canvas.image.paste(Image.fromarray(ramp.astype(np.uint8)))
    for _ in range(rng.integers(0, 7)):  # out-of-focus lights
        x, y, r = rng.uniform(-1.6, 1.6), rng.uniform(-1.6, 1.2), rng.uniform(0.08, 0.35)
        canvas.fill(mix(top, hsv(rng, (0.1, 0.5), (0.6, 1)), 0.35), arc(x, y, r, r))


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
    canvas.lines(colours, np.stack([root, (root + tip) / 2 + bend, tip], axis=1), 0.018)


def _draw_body(canvas: Canvas, rng: np.random.Generator, skin: Colour) -> None:
    clothes = hsv(rng, (0.1, 0.7), (0.2, 0.9))
    shoulder, neck = rng.uniform(1.35, 1.5), rng.uniform(0.36, 0.44)
    edge = shoulder - 0.14
    side = curve([-2.6, -2, -1.1, -neck], [3, 1.85, shoulder + 0.08, edge])
    collar = curve([-neck, 0, neck], [edge, shoulder + rng.uniform(0.1, 0.5), edge])
    throat = curve([-neck, -neck, -neck - 0.25, 0], [0.4, shoulder - 0.4, shoulder, shoulder + 0.7])
    canvas.fill(mix(skin, (60, 20, 10), 0.12), throat, mirrored(throat))
    canvas.fill(clothes, side, collar, mirrored(side))
    canvas.line(mix(clothes, _WHITE if rng.uniform() < 0.5 else _BLACK, 0.3), collar, 0.06)
    canvas.fill(mix(skin, (50, 15, 10), 0.3), arc(0, 0.62, neck, 0.6))  # shadow of the chin
    for x in rng.uniform(-2, 2, 14):  # folds
        fold = curve([x, x * 0.8, x * 0.7], [3, 2.1, 1.75])
        canvas.line(mix(clothes, _BLACK, 0.12), fold, 0.02)


def _draw_eye(
    canvas: Canvas, x: float, y: float, look: Sequence[float], iris: Colour, skin: Colour
) -> None:
    w, h, gaze = look[0], look[1], x + look[2]
    lid = curve(x + w * np.array([-1, -0.4, 0.4, 1]), [y + 0.01, y - h, y - h, y + 0.01])
    low = curve([x + w, x, x - w], [y + 0.01, y + 0.75 * h, y + 0.01])
    fold = x + w * np.array([-1.1, 0, 1.1, 0.4, -0.4])
    canvas.fill((240, 236, 230), lid, low)
    canvas.fill(iris, arc(gaze, y - 0.1 * h, 0.95 * h, 0.95 * h))
    canvas.fill((18, 14, 14), arc(gaze, y - 0.1 * h, 0.5 * h, 0.5 * h))
    canvas.fill(_WHITE, arc(gaze + 0.3 * h, y - 0.45 * h, 0.22 * h, 0.22 * h))
    canvas.fill(mix(skin, (70, 30, 20), 0.14), curve(fold, [y, y - 1.75 * h, y, y - h, y - h]))
    canvas.line(mix(skin, (25, 12, 10), 0.8), lid, 0.04)
    canvas.line(mix(skin, (60, 25, 20), 0.35), low, 0.02)


def _draw_features(
    canvas: Canvas, rng: np.random.Generator, skin: Colour, hair: Colour, yaw: float
) -> None:
    iris = mix(_IRIS[rng.integers(4)], _BLACK, rng.uniform(0, 0.3))
    look = rng.uniform(0.14, 0.175), rng.uniform(0.065, 0.095), rng.normal(0, 0.015)
    eye_y, gap, brow = rng.uniform(-0.14, -0.05), rng.uniform(0.3, 0.35), rng.uniform(0.035, 0.075)
    brow_y, tilt = eye_y - rng.uniform(0.19, 0.25), rng.normal(0, 0.03)
    for side in (-1, 1):
        x = side * gap + yaw
        _draw_eye(canvas, x, eye_y, look, iris, skin)
        across = x + side * np.array([-0.16, 0.04, 0.2])
        arch = curve(across, [brow_y + 0.03 - tilt, brow_y - 0.035, brow_y + 0.04 + tilt])
        canvas.line(mix(hair, (30, 20, 15), 0.45), arch, brow)
    nose_y, nose = rng.uniform(0.24, 0.33), rng.uniform(0.09, 0.13)
    shade, side = mix(skin, (80, 30, 20), 0.25), 1 if rng.uniform() < 0.5 else -1
    tip = 1.7 * yaw
    along = [yaw + side * 0.07, 1.5 * yaw + side * 0.06, tip + side * nose]
    canvas.line(mix(skin, shade, 0.6), curve(along, [eye_y, nose_y - 0.14, nose_y]), 0.035)
    below = curve([tip - nose, tip, tip + nose], [nose_y, nose_y + 0.05, nose_y])
    canvas.line(shade, below, 0.045)
    for side in (-1, 1):
        nostril = arc(tip + side * 0.5 * nose, nose_y + 0.015, 0.028, 0.02)
        canvas.fill(mix(skin, (50, 15, 12), 0.65), nostril)
    _draw_mouth(canvas, rng, skin, 1.3 * yaw, nose_y + rng.uniform(0.22, 0.28))
    if rng.uniform() < 0.15:  # glasses
        frame = hsv(rng, (0.1, 0.6), (0.08, 0.4))
        for side in (-1, 1):
            rim = arc(side * (gap + 0.01) + yaw, eye_y + 0.02, 0.25, 0.19)
            temple = curve([side * (gap + 0.26) + yaw, side * 0.76], [eye_y, eye_y - 0.02])
            canvas.line(frame, rim, 0.035)
            canvas.line(frame, temple, 0.035)
        bridge = curve([yaw - 0.08, yaw, yaw + 0.08], [eye_y, eye_y - 0.03, eye_y])
        canvas.line(frame, bridge, 0.035)


def _draw_mouth(canvas: Canvas, rng: np.random.Generator, skin: Colour, x: float, y: float) -> None:
    w, smile, full = rng.uniform(0.2, 0.3), rng.uniform(0, 0.08), rng.uniform(0.05, 0.085)
    lips = mix(skin, (176, 48, 62), rng.uniform(0.3, 0.65))
    corner, low = y - smile, y + 0.9 * full + smile / 2
    middle = [y - full, y - 0.75 * full, y - full]
    upper = curve(x + w * np.array([-1, -0.25, 0, 0.25, 1]), [corner, *middle, corner])
    lower = curve(x + w * np.array([1, 0.45, -0.45, -1]), [corner, low, low, corner])
    canvas.fill(lips, upper, lower)
    parting = curve([x - w, x, x + w], [corner, y + 0.35 * smile, corner])
    if smile > 0.045:
        teeth = curve([x + w, x, x - w], [corner, y + smile, corner])
        canvas.fill((244, 238, 230), parting, teeth)
    canvas.line(mix(lips, (40, 8, 12), 0.6), parting, 0.025)


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
