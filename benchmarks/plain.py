"""The usual way to train on this dataset, for comparison: plain Keras and its stock loaders.

    python benchmarks/plain.py FOLDER --size 224 --batch-size 100 --epochs 3

trains the custom CNN on FOLDER, which contains fake and real, and prints the seconds of every epoch
as JSON. Nothing here uses the package; `make bench` times it against the package's own way.
"""

import argparse
import json
import time
from pathlib import Path

import keras
import numpy as np
import PIL.Image
import tensorflow as tf
from keras import layers


def directory_loader(folder: Path, size: int, batch_size: int) -> tf.data.Dataset:
    """Keras' loader: in every epoch JPEGs are decoded in parallel to float32, and prefetched."""
    images = keras.utils.image_dataset_from_directory(
        folder, label_mode="binary", image_size=(size, size), batch_size=batch_size, verbose=False
    )
    return images.prefetch(tf.data.AUTOTUNE)


def image_data_generator(folder: Path, size: int, batch_size: int) -> keras.utils.PyDataset:
    """What notebooks of 2022 used; only TensorFlow's copy of Keras' old interface still has it."""
    generator = tf.keras.preprocessing.image.ImageDataGenerator()
    return generator.flow_from_directory(
        folder, target_size=(size, size), batch_size=batch_size, class_mode="binary"
    )


class PillowLoader(keras.utils.PyDataset):
    """In every epoch each file is opened, resized and made an array, in one process."""

    def __init__(self, folder: Path, size: int, batch_size: int) -> None:
        super().__init__()
        self.paths = np.array(sorted(folder.glob("*/*.jpg")))
        self.order = np.random.default_rng(0).permutation(len(self.paths))
        self.size, self.batch_size = size, batch_size

    def __len__(self) -> int:
        return -(-len(self.paths) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        rows = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        pixels = [
            np.asarray(PIL.Image.open(path).resize((self.size, self.size)), "float32")
            for path in self.paths[rows]
        ]
        labels = [[float(path.parent.name == "fake")] for path in self.paths[rows]]
        return np.stack(pixels), np.array(labels, "float32")


def custom_cnn(size: int) -> keras.Model:
    """The paper's network, compiled."""
    stack = [keras.Input((size, size, 3)), layers.Rescaling(1 / 255)]
    for filters in (64, 128, 128):
        stack += [
            layers.Conv2D(filters, 3, padding="same", activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(2),
        ]
    stack += [layers.Flatten(), layers.Dense(256, activation="relu"), layers.Dropout(0.4)]
    model = keras.Sequential([*stack, layers.Dense(1, activation="sigmoid")])
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    return model


def main() -> None:
    """Train, and print the seconds of every epoch."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch-size", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=3)
    given = parser.parse_args()
    model = custom_cnn(given.size)
    images = directory_loader(given.folder, given.size, given.batch_size)
    seconds = []
    for _ in range(given.epochs):
        start = time.perf_counter()
        model.fit(images, verbose=0)
        seconds.append(time.perf_counter() - start)
    print(json.dumps(seconds))


if __name__ == "__main__":
    main()
