"""The two networks: built, trained, and asked for predictions. The only room with Keras.

Reads prepared arrays and VGG16's ImageNet weights. Writes features, checkpoints, histories,
architectures, models and predictions.
"""

import os

from ..common.progress import stderr_to

# TensorFlow reports on every machine without a GPU that it found none, and on its instructions;
# a GPU that Keras can't use is reported by `device.check_device`.
with stderr_to(os.devnull):
    import keras  # noqa: F401
