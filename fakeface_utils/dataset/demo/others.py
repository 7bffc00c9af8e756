"""Two further made-up generators, on which a network trained on the demo's images can be tried.

Portraits, camera and JPEG encoder are the demo's (`generate.py`), the portraits other ones. What
the generators do to a photograph differs, from the demo's and from each other:

- 'pixel_shuffle' enlarges at an eighth of the size by sub-pixel convolution: each pixel of the
  larger image is one of four channels (Shi et al. 2016, arXiv:1609.05158). Channels whose gains
  differ leave a checkerboard (Aitken et al. 2017, arXiv:1707.02937), here of period 8 after two
  smooth doublings, strongest in blue. A little of the finest detail is lost.
- 'diffusion' carries no periodic trace. Where its last denoising step meets weak detail it takes it
  for noise and removes it (soft thresholds as in Donoho 1995, 'De-noising by soft-thresholding';
  denoising as generation: Ho, Jain and Abbeel 2020, arXiv:2006.11239). Images of real diffusion
  models differ from photographs in middle and high frequencies, some also by periodic traces
  (Corvi et al. 2023, arXiv:2304.06408).

Simple statistics of colour tell both from photographs, so they can be found; but not by what gives
the demo's own generator away, a period of 4 and a fifth of the finest detail lost.

Each adds as much noise as makes the JPEG file as long as the photograph's, so that the file size
doesn't give the class away. Models of an argument, not of any program: what a network scores on
them says nothing about images that such programs make.
"""

from collections.abc import Callable
from pathlib import Path

import joblib
import numpy as np
from numpy.typing import NDArray

from ...common.errors import StudyError
from ...common.paths import shown
from ...common.progress import progress
from ...study.elsewhere import MADE_UP, draw_others_step, made_up_count, others_path
from ...study.names import CLASSES
from ...study.settings import Study
from .canvas import Floats
from .generate import _clear, _file_name, _is_whole, remove
from .portrait import draw_portrait
from .traces import _camera, _jpeg, _noise_sigma, _reduce, _to_uint8, _transposed_convolution

SEED = 1000  # far from the demo's own, so that no portrait is drawn twice

_GAINS = np.array([0.02, -0.05, 0.07], dtype=np.float32)  # red, green, blue

_SHUFFLED_DETAIL = 0.9  # of the finest octave

_THRESHOLD = 2.0  # grey levels: weaker detail is taken for noise


def _double(x: Floats) -> Floats:
    """Twice the size, smoothly, without a trace."""
    return _transposed_convolution(x, 0)


def _pixel_shuffle(photo: Floats) -> Floats:
    """Gains of four phases at a quarter of the size; weaker finest detail."""
    half = _reduce(photo)
    quarter = _reduce(half)
    gains = np.ones((*quarter.shape[:2], 3), dtype=np.float32)
    gains[::2, ::2] += _GAINS
    gains[1::2, 1::2] -= _GAINS
    shuffled = quarter + _double(_reduce(quarter)) * (gains - 1)
    coarse = half - _double(quarter) + _double(shuffled)
    return _double(coarse) + _SHUFFLED_DETAIL * (photo - _double(half))


def _diffusion(photo: Floats) -> Floats:
    """The two finest octaves shrunk towards zero, the finest more."""
    half = _reduce(photo)
    quarter = _reduce(half)

    def shrunk(detail: Floats, threshold: float) -> Floats:
        return np.sign(detail) * np.maximum(np.abs(detail) - threshold, 0)

    coarse = _double(quarter) + shrunk(half - _double(quarter), _THRESHOLD / 4)
    return _double(coarse) + shrunk(photo - _double(half), _THRESHOLD)


GENERATORS: dict[str, Callable[[Floats], Floats]] = {
    "diffusion": _diffusion,
    "pixel_shuffle": _pixel_shuffle,
}


def _as_long_as(photo: Floats, out: Floats, rng: np.random.Generator) -> Floats:
    """The image with just so much grey noise that its JPEG file is as long as the photograph's."""
    sigma = _noise_sigma(out.mean(axis=-1, keepdims=True))
    noise = sigma * rng.standard_normal((*out.shape[:2], 1), dtype=np.float32)
    target = len(_jpeg(_to_uint8(photo)))
    low, high = 0.0, 2.0
    for _ in range(6):
        level = (low + high) / 2
        too_short = len(_jpeg(_to_uint8(out + level * noise))) < target
        low, high = (level, high) if too_short else (low, level)
    return out + low * noise


def make_other(generator: str, kind: str, size: int, key: tuple[int, ...]) -> NDArray[np.uint8]:
    """One portrait as the camera ('real') or a further generator ('fake') would deliver it.

    A pure function of its arguments, as `traces.make_image`.

    Args:
        generator: a key of `GENERATORS`.
        kind: 'fake' or 'real'.
        size: side in pixels, a multiple of 8 from 40 to 256.
        key: integers >= 0.

    Returns:
        uint8 array (size, size, 3), RGB, 0..255.
    """
    rng = np.random.default_rng([*key, 1])
    photo = _camera(draw_portrait(np.random.default_rng([*key, 0]), 2 * size), rng)
    if kind == "fake":
        return _to_uint8(_as_long_as(photo, GENERATORS[generator](photo), rng))
    return _to_uint8(photo)


def _write(generator: str, kind: str, size: int, key: tuple[int, ...], path: Path) -> None:
    """Make one file, which gets its name only once it is complete."""
    part = path.with_suffix(".part")
    part.write_bytes(_jpeg(make_other(generator, kind, size, key)))
    part.replace(path)


def generate_others(folder: Path, images_per_class: int, size: int) -> None:
    """Write the sets as folder/GENERATOR/{fake,real}/NAME.jpg; whole files are kept.

    Args:
        folder: where to write; made if missing.
        images_per_class: of each generator.
        size: side in pixels, a multiple of 8 from 40 to 256.

    Raises:
        FileExistsError: a class folder holds an image that was not generated.
    """
    tasks = [
        (generator, kind, size, key, folder / generator / kind / _file_name(key, size))
        for number, generator in enumerate(MADE_UP)
        for index in range(images_per_class)
        for label, kind in enumerate(CLASSES)
        for key in [(SEED, number, label, index)]
    ]
    _clear({task[-1].parent for task in tasks}, {task[-1] for task in tasks})
    left = [task for task in tasks if not _is_whole(task[-1], size)]
    pool = joblib.Parallel(n_jobs=-1, return_as="generator")
    with progress(len(left), "drawing", "image") as bar:
        for _ in pool(joblib.delayed(_write)(*task) for task in left):
            bar.update()


def draw_others(study: Study) -> None:
    """Draw the demo's further generators, unless that is done or a person gave other images.

    Raises:
        StudyError: there are no other images for this study, or a file is in the way.
    """
    step = draw_others_step(study)
    path = others_path(study)
    if step is None:
        print(f"other images: {path.name}")
        return
    again = step.marker.exists()  # what was drawn by other code is drawn again

    def draw() -> None:
        if again:
            remove(path)
        generate_others(path, made_up_count(study), study.stored_size)

    try:
        step.do(draw)
    except FileExistsError as error:
        raise StudyError(f"{error}: delete {shown(path)}") from error
