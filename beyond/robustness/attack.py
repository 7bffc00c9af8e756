"""What the networks of a run say of images that were changed against each of them."""

import importlib
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from fakeface_utils.networks import keras, layers_of
from fakeface_utils.settings import Study
from fakeface_utils.training import AT_ONCE, finite, load

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.floating]


class Attacked:
    """The trained networks of a run, each asked about its own changed images."""

    def __init__(self, study: Study) -> None:
        self.study, self.columns = study, [(m, s) for m in study.models for s in study.seeds]
        self.networks = [load(study, *column) for column in self.columns]
        self.slopes = [slope_of(network) for network in self.networks]

    def p_fake(
        self, images: Pixels, labels: npt.NDArray, change: Callable[[Pixels, Floats], Pixels]
    ) -> Floats:
        """The outputs, (N, networks), for images changed by `change(images, slopes)`.

        The slopes lead away from the true class.
        """
        wrong = np.where(labels == 1, -1, 1)[:, None, None, None]
        outputs = np.empty((len(images), len(self.columns)))
        for column, (network, slope) in enumerate(zip(self.networks, self.slopes, strict=True)):
            for first in range(0, len(images), AT_ONCE):
                part = slice(first, first + AT_ONCE)
                changed = change(images[part], slope(images[part]) * wrong[part])
                p_fake = network(changed, training=False)  # of any number, no graph is traced
                outputs[part, column] = keras.ops.convert_to_numpy(p_fake)[:, 0]
        return finite(self.study, outputs)


def slope_of(network: keras.Model) -> Callable[[Pixels], Floats]:
    """Of images (N, size, size, 3) how the output changes with each value, before the sigmoid.

    Where a network is sure, its sigmoid is flat to the last digit, and would hide the slope.
    """
    inputs = keras.Input(network.input_shape[1:], dtype="float32")  # whole numbers have no slope
    whole = keras.models.clone_model(network, input_tensors=inputs)
    whole.set_weights(network.get_weights())
    [*_, last] = layers_of(whole)
    last.activation = keras.activations.linear
    library = importlib.import_module(keras.backend.backend())  # by name: it runs on either
    if keras.backend.backend() == "jax":
        slope = library.jit(library.grad(lambda values: whole(values, training=False).sum()))
        return lambda images: np.asarray(slope(images.astype("float32")))

    def slopes(images: Pixels) -> Floats:
        values = library.convert_to_tensor(images.astype("float32"))
        with library.GradientTape() as tape:
            tape.watch(values)
            outputs = whole(values, training=False)
        return tape.gradient(outputs, values).numpy()

    return slopes
