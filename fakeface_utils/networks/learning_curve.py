"""A network trained on a part of the images, and its predictions: a point of the learning curve."""

from ..study.artefacts import model_file
from ..study.settings import Study
from .predict import predict_test
from .training import train


def train_and_predict(study: Study, model: str, seed: int) -> None:
    """Train one network on the study's `training_share` and predict the test set.

    Raises:
        StudyError: prepared images or features are missing.
    """
    train(study, model, seed)
    predict_test(study, model, seed)
    # 0.1 GB at the paper's size, and nothing reads it again.
    model_file(study.run, model, seed).unlink(missing_ok=True)
