"""The two networks: built, trained, and used for predictions. The only room that imports Keras.

Reads prepared arrays and VGG16's ImageNet weights. Writes features, checkpoints, histories,
architectures, models, predictions and maps.
"""

import os

from ..common.errors import StudyError
from ..common.progress import stderr_to

# TensorFlow reports that it found no GPU and which CPU instructions it uses: noise on most
# machines. If there is a GPU that Keras can't use, `device.check_device` says so.
with stderr_to(os.devnull):
    try:
        import keras
    except Exception as error:  # a backend that isn't there, or that Keras doesn't know
        raise StudyError(
            f"Keras can't start ({error}): set KERAS_BACKEND to tensorflow, or jax where that is "
            "installed"
        ) from error
if keras.backend.backend() not in ("tensorflow", "jax"):
    raise StudyError(
        f"Keras runs on {keras.backend.backend()}, which this study was not written for: set "
        "KERAS_BACKEND to tensorflow or jax"
    )
# What a person's own keras.json says otherwise is for other work.
keras.config.set_floatx("float32")
keras.config.set_image_data_format("channels_last")
