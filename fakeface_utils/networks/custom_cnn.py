"""The paper's own network: a VGG-like CNN, section 3.1."""

import keras
from keras import layers

from ..settings import Study


def build(study: Study) -> keras.Model:
    """Three convolution blocks and a dense layer, from raw uint8 RGB images to p_fake, (N, 1)."""
    inputs = keras.Input((study.image_size, study.image_size, 3), dtype="uint8", name="image")
    x = layers.Rescaling(1 / 255, name="scale")(inputs)
    for block, filters in enumerate(study.custom_filters, start=1):
        x = layers.Conv2D(
            filters, 3, padding=study.padding, activation="relu", name=f"conv{block}"
        )(x)
        # The paper names it after the activation.
        x = layers.BatchNormalization(momentum=study.batch_norm_momentum, name=f"norm{block}")(x)
        x = layers.MaxPooling2D(2, strides=2, name=f"pool{block}")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(study.custom_dense, activation="relu", name="dense")(x)
    if study.dense_batch_norm:
        x = layers.BatchNormalization(momentum=study.batch_norm_momentum, name="dense_norm")(x)
    x = layers.Dropout(study.dropout, name="dropout")(x)
    outputs = layers.Dense(1, activation="sigmoid", dtype="float32", name="p_fake")(x)
    return keras.Model(inputs, outputs, name="custom_cnn")
