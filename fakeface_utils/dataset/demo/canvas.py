"""Drawing in head coordinates: colours, smooth curves, and a canvas for them."""

import colorsys
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Floats = NDArray[np.floating[Any]]

Colour = tuple[float, float, float]

Points = NDArray[np.float64]

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
