"""Two further made-up generators, on which a network trained on the demo's images can be tried.

Portraits, camera and JPEG encoder are the demo's, the portraits other ones. What the generators do
to a photograph differs, from the demo's and from each other:

- 'pixel_shuffle' enlarges at an eighth of the size by sub-pixel convolution (Shi et al. 2016,
  arXiv:1609.05158). Channels whose gains differ leave a checkerboard (Aitken et al. 2017,
  arXiv:1707.02937), here of period 8 after two smooth doublings, strongest in blue.
- 'diffusion' carries no periodic trace. Where its last denoising step meets weak detail it takes it
  for noise and removes it (soft thresholds: Donoho 1995; denoising as generation: Ho, Jain and
  Abbeel 2020, arXiv:2006.11239; real ones: Corvi et al. 2023, arXiv:2304.06408).

Colours tell both from photographs; what gives the demo's own generator away (a period of 4, a fifth
of the finest detail lost) doesn't. What a network scores on them says nothing about any program.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fakeface_utils.demo.camera import as_long_as, double, halve, photograph, to_uint8
from fakeface_utils.demo.generate import file_name, write_images
from fakeface_utils.demo.portrait import Floats
from fakeface_utils.paper import CLASSES
from fakeface_utils.settings import Study
from fakeface_utils.step import step
from fakeface_utils.util import home

SEED = 1000  # far from the demo's own, so that no portrait is drawn twice
IMAGES_PER_CLASS = 150  # of each generator
_GAINS = np.array([0.02, -0.05, 0.07], dtype=np.float32)  # red, green, blue
_SHUFFLED_DETAIL = 0.9  # of the finest octave
_THRESHOLD = 2.0  # grey levels: weaker detail is taken for noise


def _pixel_shuffle(photo: Floats) -> Floats:
    """Gains of four phases at a quarter of the size; weaker finest detail."""
    half = halve(photo)
    quarter = halve(half)
    gains = np.ones((*quarter.shape[:2], 3), dtype=np.float32)
    gains[::2, ::2] += _GAINS
    gains[1::2, 1::2] -= _GAINS
    shuffled = quarter + double(halve(quarter)) * (gains - 1)
    coarse = half - double(quarter) + double(shuffled)
    return double(coarse) + _SHUFFLED_DETAIL * (photo - double(half))


def _diffusion(photo: Floats) -> Floats:
    """The two finest octaves shrunk towards zero, the finest more."""
    half = halve(photo)
    quarter = halve(half)

    def shrunk(detail: Floats, threshold: float) -> Floats:
        return np.sign(detail) * np.maximum(np.abs(detail) - threshold, 0)

    coarse = double(quarter) + shrunk(half - double(quarter), _THRESHOLD / 4)
    return double(coarse) + shrunk(photo - double(half), _THRESHOLD)


GENERATORS = {"diffusion": _diffusion, "pixel_shuffle": _pixel_shuffle}


def make_other(generator: str, kind: str, size: int, key: tuple[int, ...]) -> NDArray[np.uint8]:
    """As the demo's `make_image`, 'fake' by one of `GENERATORS`."""
    photo, rng = photograph(size, key)
    fake = kind == "fake"
    return to_uint8(as_long_as(photo, GENERATORS[generator](photo), rng) if fake else photo)


def drawn_per_class(study: Study) -> int:
    """How many images of each class are drawn of each generator."""
    return min(study.images_per_class or IMAGES_PER_CLASS, IMAGES_PER_CLASS)


def _folder(study: Study) -> Path:
    count = f"-{drawn_per_class(study)}" if study.images_per_class else ""
    return home("data") / f"demo-others-{study.stored_size}px{count}"


@step(
    "elsewhere",
    writes=list(GENERATORS),
    folder=_folder,
    settings=lambda study: {"images": drawn_per_class(study), "side": study.stored_size},
)
def draw_others(study: Study, out: Path) -> None:
    """Draw the demo's further generators: GENERATOR/{fake,real}/NAME.jpg."""
    size = study.stored_size
    write_images(
        make_other,
        {
            out / generator / kind / file_name(key, size): (generator, kind, size, key)
            for number, generator in enumerate(GENERATORS)
            for index in range(drawn_per_class(study))
            for label, kind in enumerate(CLASSES)
            for key in [(SEED, number, label, index)]
        },
    )
