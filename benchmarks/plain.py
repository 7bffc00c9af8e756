"""The usual way to train on this dataset, for comparison: plain Keras and its own loader.

    python benchmarks/plain.py FOLDER custom_cnn 224 100 3

trains on FOLDER, which holds fake and real, at 224 pixels in batches of 100, and prints the seconds
of each of 3 epochs as JSON. Nothing here uses the package.
"""

import json
import sys
import time
from pathlib import Path

import keras
import tensorflow as tf
from keras import layers


def loader(folder: Path, size: int, batch_size: int) -> tf.data.Dataset:
    """In every epoch JPEGs are decoded in parallel to float32, and prefetched."""
    images = keras.utils.image_dataset_from_directory(
        folder, label_mode="binary", image_size=(size, size), batch_size=batch_size, verbose=False
    )
    return images.prefetch(tf.data.AUTOTUNE)


def network(name: str, size: int) -> keras.Model:
    """The paper's network, or VGG16 with a new head, compiled; with random weights."""
    inputs = keras.Input((size, size, 3))
    if name == "vgg16":
        base = keras.applications.VGG16(weights=None, include_top=False, input_tensor=inputs)
        base.trainable = False
        x, nodes = base.output, 512
    else:
        x, nodes = layers.Rescaling(1 / 255)(inputs), 256
        for filters in (64, 128, 128):
            x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
            x = layers.MaxPooling2D(2)(layers.BatchNormalization()(x))
    x = layers.Dense(nodes, activation="relu")(layers.Flatten()(x))
    model = keras.Model(inputs, layers.Dense(1, activation="sigmoid")(layers.Dropout(0.4)(x)))
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    return model


def main(folder: str, name: str, *numbers: str) -> None:
    """Train, and print the seconds of every epoch."""
    size, batch_size, epochs = map(int, numbers)
    model, images, seconds = network(name, size), loader(Path(folder), size, batch_size), []
    for _ in range(epochs):
        start = time.perf_counter()
        model.fit(images, verbose=0)
        seconds.append(time.perf_counter() - start)
    print(json.dumps(seconds))


if __name__ == "__main__":
    main(*sys.argv[1:])
