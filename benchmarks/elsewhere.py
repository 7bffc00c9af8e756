"""Images per second that a trained network is asked about: ours, and Keras' own calls in a loop."""

from pathlib import Path

import numpy as np

from benchmarks.common import Result, in_turn, result, study_of

BATCH = 100  # images a call of the usual way


def evaluating(folder: Path, size: int, repeats: int) -> Result:
    """Ask the custom CNN about the training images of a folder, as `fakeface evaluate` does."""
    import keras

    from fakeface_utils.dataset.folder import open_images
    from fakeface_utils.dataset.sets import list_sets
    from fakeface_utils.networks.elsewhere import judge_all
    from fakeface_utils.networks.models import custom_cnn as build
    from fakeface_utils.networks.trained import Trained
    from fakeface_utils.study.artefacts import model_file

    study = study_of(folder, image_size=size)
    path = model_file(study.run, "custom_cnn", 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    build(study).save(path)
    trained, network = Trained(study, ("custom_cnn",)), keras.saving.load_model(path)
    source = open_images(folder / "train")
    sets = list_sets(source).sets
    paths = [str(folder / "train" / name) for name, _ in next(iter(sets.values()))]

    def usual() -> None:
        for start in range(0, len(paths), BATCH):
            images = [
                keras.utils.img_to_array(
                    keras.utils.load_img(path, target_size=(size, size), interpolation="bilinear")
                )
                for path in paths[start : start + BATCH]
            ]
            network.predict(np.stack(images), verbose=0)

    ways = {"ours": lambda: judge_all(trained, source, sets, "bilinear"), "usual": usual}
    seconds = in_turn(ways, repeats)
    return result(
        f"asking about other images at {size} px",
        "images/s",
        len(paths) / seconds["ours"],
        len(paths) / seconds["usual"],
        repeats=repeats,
    )
