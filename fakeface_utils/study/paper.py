"""The paper's facts: what it prints, and what its data holds."""

import pandas as pd

PAPER_COUNTS = {"train": 50_000, "valid": 10_000, "test": 10_000}  # of each class, section 2
PAPER_BEST_EPOCH = {"custom_cnn": 6, "vgg16": 7}  # section 5: where overfitting starts
PAPER_TABLE1 = {
    "custom_cnn": {"accuracy": 0.9718, "precision": 0.9789, "recall": 0.9644, "f1": 0.9715},
    "vgg16": {"accuracy": 0.8998, "precision": 0.9038, "recall": 0.8949, "f1": 0.8993},
}
VGG16_BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
VGG16_DENSE = (4096, 4096, 1000)  # as published by Simonyan and Zisserman, 2014


def paper_table1() -> pd.Series:
    """The numbers that the paper prints in Table 1, by metric and model."""
    return pd.DataFrame(PAPER_TABLE1).stack().rename_axis(["metric", "model"]).rename("paper")
