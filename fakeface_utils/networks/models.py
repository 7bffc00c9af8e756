"""The two architectures of the paper, section 3, and the table that describes them."""

import math

import keras
import pandas as pd
from keras import layers

from ..study.settings import Study


def custom_cnn(study: Study) -> keras.Model:
    """The custom VGG-like CNN, section 3.1: raw uint8 RGB images to p_fake, (N, 1) in 0 to 1.

    Batch normalization follows the activation, as in the paper. The sigmoid is float32 under any
    precision.
    """
    inputs = keras.Input((study.image_size, study.image_size, 3), dtype="uint8", name="image")
    x = layers.Rescaling(1 / 255, name="scale")(inputs)
    for block, filters in enumerate(study.custom_filters, start=1):
        x = layers.Conv2D(
            filters, 3, padding=study.padding, activation="relu", name=f"conv{block}"
        )(x)
        x = layers.BatchNormalization(momentum=study.batch_norm_momentum, name=f"norm{block}")(x)
        x = layers.MaxPooling2D(2, strides=2, name=f"pool{block}")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(study.custom_dense, activation="relu", name="dense")(x)
    if study.dense_batch_norm:
        x = layers.BatchNormalization(momentum=study.batch_norm_momentum, name="dense_norm")(x)
    x = layers.Dropout(study.dropout, name="dropout")(x)
    outputs = layers.Dense(1, activation="sigmoid", dtype="float32", name="p_fake")(x)
    return keras.Model(inputs, outputs, name="custom_cnn")


def vgg16_head(study: Study, features_shape: tuple[int, ...]) -> keras.Model:
    """The trained part of the VGG16 model, section 3.2: the base's features to p_fake, (N, 1)."""
    return keras.Sequential(
        [
            keras.Input(features_shape, name="features"),
            layers.Flatten(name="flatten"),
            layers.Dense(study.vgg16_dense, activation="relu", name="dense"),
            layers.Dropout(study.dropout, name="dropout"),
            layers.Dense(1, activation="sigmoid", dtype="float32", name="p_fake"),
        ],
        name="head",
    )


def assemble_vgg16(base: keras.Model, head: keras.Model) -> keras.Model:
    """Frozen base and trained head as one model: raw uint8 RGB images to p_fake, (N, 1)."""
    return keras.Model(base.input, head(base.output), name="vgg16")


def architecture(model: keras.Model) -> pd.DataFrame:
    """One row per layer: name, kind, output shape, parameters, cost and activation.

    Multiply-adds are those of convolutions and dense layers for one image: every output value of
    a convolution takes kernel height x width x input channels of them.
    """
    rows = []
    for layer in _flat(model):
        shape = layer.output.shape[1:]
        kernel = getattr(layer, "kernel", None)
        outputs = math.prod(shape[:-1])  # positions at which the kernel is applied
        rows.append(
            {
                "layer": layer.name,
                "kind": type(layer).__name__,
                "output_shape": "x".join(map(str, shape)),
                "parameters": layer.count_params(),
                "trainable": sum(math.prod(w.shape) for w in layer.trainable_weights),
                "multiply_adds": 0 if kernel is None else outputs * math.prod(kernel.shape),
                "activation": "" if kernel is None else layer.activation.__name__,
            }
        )
    return pd.DataFrame(rows)


def _flat(model: keras.Model) -> list[keras.Layer]:
    """All layers in order, nested models unpacked; only the first input layer is kept."""
    flat: list[keras.Layer] = []
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            flat += [inner for inner in _flat(layer) if not isinstance(inner, layers.InputLayer)]
        else:
            flat.append(layer)
    return flat
