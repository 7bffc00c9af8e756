"""Run the frozen VGG16 base once per image and keep its output.

Without augmentation the base gives the same features in every epoch and for every seed, so running
it once gives the head the same gradients for about a thirteenth of the work over 15 epochs.
"""

import numpy as np

from ..common.errors import StudyError
from ..common.files import require_free_space, write_atomic
from ..common.progress import progress
from ..study.artefacts import features_path, read_images
from ..study.plan import features_step
from ..study.settings import Study
from .device import check_device, distribute, precision
from .imagenet import frozen_base


def extract_features(study: Study, split: str) -> None:
    """Write the features of a split, unless they are there: (N, h, w, 512), `feature_dtype`.

    In float16 a probability differs by up to about 1e-3 from the end-to-end model's.

    Raises:
        StudyError: the prepared images are missing, the weights can't be had, the disk is full, or
            a feature is no finite number.
    """
    step = features_step(study, split)
    if not step.do(lambda: _extract(study, split)):
        print(f"{step.name}: up to date")


def _extract(study: Study, split: str) -> None:
    check_device()
    images = read_images(study, split)
    distribute(study)
    with precision(study):
        base = frozen_base(study)
    path, title = features_path(study, split), f"VGG16 features of {split}"
    shape = (len(images), *base.output.shape[1:])
    dtype = np.dtype(study.feature_dtype)
    require_free_space(path.parent, int(np.prod(shape)) * dtype.itemsize, title)
    with write_atomic(path) as part, progress(len(images), title, "image") as bar:
        features = np.lib.format.open_memmap(part, "w+", dtype, shape)
        for start in range(0, len(images), study.batch_size):
            batch = images[start : start + study.batch_size]
            with np.errstate(over="ignore"):  # looked at in the next line
                values = base.predict_on_batch(batch).astype(dtype)
            if not np.isfinite(values).all():
                raise StudyError(
                    f"{title}: some are no finite numbers in {study.feature_dtype}: set "
                    "feature_dtype=float32 and vgg16_scaling=imagenet, and check the weights"
                )
            features[start : start + len(batch)] = values
            bar.update(len(batch))
        features.flush()
        del features  # Windows doesn't rename a file that is mapped
