"""VGG16 with ImageNet's weights, frozen, and a new head: transfer learning, section 3.2."""

import keras
from keras import layers

from ..settings import Study
from .weights import imagenet_weights


def build(study: Study) -> keras.Model:
    """The frozen base and the head that is trained, from raw uint8 RGB images to p_fake, (N, 1)."""
    side = study.image_size // 32  # five poolings halve it
    head = keras.Sequential(
        [
            keras.Input((side, side, 512), name="features"),
            layers.Flatten(name="flatten"),
            layers.Dense(study.vgg16_dense, activation="relu", name="dense"),
            layers.Dropout(study.dropout, name="dropout"),
            layers.Dense(1, activation="sigmoid", dtype="float32", name="p_fake"),
        ],
        name="head",
    )
    inputs = keras.Input((study.image_size, study.image_size, 3), dtype="uint8", name="image")
    x = keras.ops.cast(inputs, "float32")  # on uint8 preprocess_input silently wraps around
    imagenet = study.vgg16_scaling == "imagenet"
    x = keras.applications.vgg16.preprocess_input(x) if imagenet else x / 255.0
    keras.utils.set_random_seed(0)  # of random weights: every seed has the same base
    base = keras.applications.VGG16(weights=None, include_top=False, input_tensor=x)
    if study.vgg16_weights != "random":
        base.set_weights(imagenet_weights(study.vgg16_weights))
    base.trainable = False
    return keras.Model(inputs, head(base.output), name="vgg16")
