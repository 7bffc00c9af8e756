"""Trained networks, loaded from their files and asked together."""

import zipfile

import keras
import numpy as np
import numpy.typing as npt

from ..common.errors import StudyError
from ..common.paths import shown
from ..dataset.decode import UNREADABLE
from ..study.artefacts import model_file
from ..study.beyond_artefacts import column
from ..study.names import MODELS
from ..study.settings import Study

AT_ONCE = 64  # images in a batch, at most


def load_model(run: str, model: str, seed: int) -> keras.Model:
    """A run's saved model: raw uint8 RGB images (N, size, size, 3) to p_fake (N, 1).

    Loaded in Keras' safe mode: a model file that carries code is refused.

    Raises:
        StudyError: the run has no such model, or its file is damaged or another's.
    """
    path = model_file(run, model, seed)
    if not path.is_file():
        raise StudyError(f"{shown(path)} is missing: train it with fakeface report --run {run}")
    try:
        with zipfile.ZipFile(path) as archive:
            if damaged := archive.testzip():
                raise ValueError(f"the checksum of {damaged} is wrong")
        network = keras.saving.load_model(path, compile=False, safe_mode=True)
        shape = network.input_shape
        square = shape[1] and shape == (None, shape[1], shape[1], 3)
        if not square or network.output_shape != (None, 1):
            raise ValueError(f"it makes {network.output_shape} of {shape}")
    except (*UNREADABLE, TypeError, LookupError, AttributeError, ImportError) as error:
        why = str(error).partition("\n")[0].partition(". ")[0]  # Keras adds advice for programmers
        raise StudyError(
            f"{shown(path)} is damaged or not ours ({why}): delete it and run fakeface "
            f"report --run {run} again"
        ) from error
    return network


class Trained:
    """The trained networks of a run. VGG16's frozen base runs once for all its seeds.

    Args:
        study: whose networks.
        models: which of them.
        at_once: images in a batch; the last one is filled up, so that no graph is traced again.

    Attributes:
        columns: a name for each network, in the order of the outputs, see `column`.
        size: pixels a side of the images they take.
        at_once: images in a batch.

    Raises:
        StudyError: a model is missing, damaged or another's.
    """

    def __init__(
        self, study: Study, models: tuple[str, ...] = MODELS, at_once: int = AT_ONCE
    ) -> None:
        self.columns = [column(model, seed) for model in models for seed in study.seeds]
        loaded = {m: [load_model(study.run, m, seed) for seed in study.seeds] for m in models}
        self._whole = loaded.get("custom_cnn", [])
        vgg16 = loaded.get("vgg16", [])
        self._heads = [network.get_layer("head") for network in vgg16]
        self._base = base_of(vgg16[0]) if vgg16 else None
        self._run, self.at_once = study.run, at_once
        self.size = next(iter(loaded.values()))[0].input_shape[1]

    def p_fake(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        """The outputs of all networks, (N, networks), 0 to 1; only one batch is held besides.

        Args:
            images: (N, size, size, 3) uint8 RGB.

        Raises:
            StudyError: an output is no finite number.
        """
        starts = range(0, len(images), self.at_once)
        parts = [self._batch(images[start : start + self.at_once]) for start in starts]
        outputs = np.concatenate(parts) if parts else np.empty((0, len(self.columns)))
        if not np.isfinite(outputs).all():
            raise StudyError(f"run {self._run}: some outputs are no finite numbers: train it again")
        return outputs

    def _batch(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        count = len(images)
        padding = [(0, self.at_once - count)] + [(0, 0)] * 3
        batch = np.pad(images, padding) if count < self.at_once else images
        columns = [network.predict_on_batch(batch) for network in self._whole]
        if self._base is not None:
            features = self._base.predict_on_batch(batch)
            columns += [head.predict_on_batch(features) for head in self._heads]
        return np.concatenate(columns, axis=1)[:count].astype("float64")


def base_of(network: keras.Model) -> keras.Model:
    """The frozen base of an assembled VGG16 model: images to the features that its head takes."""
    return keras.Model(network.input, network.get_layer("block5_pool").output)
