"""The two networks: built, trained, and used for predictions. The only room that imports Keras.

Reads prepared arrays and VGG16's ImageNet weights. Writes features, checkpoints, histories,
architectures, models and predictions.
"""

import os

from ..common.progress import stderr_to

# TensorFlow reports that it found no GPU and which CPU instructions it uses: noise on most
# machines. If there is a GPU that Keras can't use, `device.check_device` says so.
with stderr_to(os.devnull):
    import keras  # noqa: F401
