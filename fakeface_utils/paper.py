"""What the paper states about its data and its measures; its Table 1 is in `models.py`."""

CLASSES = ("real", "fake")  # a class's place here is its label: 1 is fake, the positive class
SPLITS = ("train", "valid", "test")  # as the Kaggle archive names them
METRICS = ("accuracy", "precision", "recall", "f1")
COUNTS = {"train": 50_000, "valid": 10_000, "test": 10_000}  # images of each class, section 2
KAGGLE = "xhlulu/140k-real-and-fake-faces"
