"""What the paper states: its data, its measures, and its Table 1 as printed."""

CLASSES = ("real", "fake")  # a class's place here is its label: 1 is fake, the positive class
SPLITS = ("train", "valid", "test")  # as the Kaggle archive names them
METRICS = ("accuracy", "precision", "recall", "f1")
COUNTS = {"train": 50_000, "valid": 10_000, "test": 10_000}  # images of each class, section 2
KAGGLE = "xhlulu/140k-real-and-fake-faces"
TABLE1 = {
    "custom_cnn": {"accuracy": 0.9718, "precision": 0.9789, "recall": 0.9644, "f1": 0.9715},
    "vgg16": {"accuracy": 0.8998, "precision": 0.9038, "recall": 0.8949, "f1": 0.8993},
}
BEST_EPOCHS = {"custom_cnn": 6, "vgg16": 7}  # section 5
FIGURES = {"custom_cnn": 4, "vgg16": 3}  # with their curves
