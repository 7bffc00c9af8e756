"""The names of splits, classes, models, metrics and image files."""

SPLITS = ("train", "valid", "test")
CLASSES = ("real", "fake")  # a class's position is its label: fake = 1, the positive class
MODELS = ("custom_cnn", "vgg16")
TITLES = {"custom_cnn": "custom CNN", "vgg16": "VGG16"}
METRICS = ("accuracy", "precision", "recall", "f1")
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")  # of image files
