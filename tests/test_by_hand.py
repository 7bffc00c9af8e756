"""Notebook 00, a second implementation in plain Keras, beside the package's."""

import json

import keras
import numpy as np
import pytest

from fakeface_utils.evaluate import table1
from fakeface_utils.metrics import confusion, prediction_half_width, rates
from fakeface_utils.networks import build, head_of
from fakeface_utils.run import load_study
from fakeface_utils.util import NOTEBOOKS

TINY = "images_per_class=6 image_size=35"


def by_hand(**parameters):
    """Run the notebook's cells in this process and return its names."""
    notebook = json.loads((NOTEBOOKS / "00_by_hand.ipynb").read_text(encoding="utf-8"))
    names: dict = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
            if "parameters" in cell["metadata"].get("tags", []):
                names |= parameters
    return names


def test_the_same_networks_and_the_same_formulas(places, monkeypatch):
    random = keras.applications.VGG16(weights=None, include_top=False).get_weights()
    import fakeface_utils.networks.vgg16  # noqa: F401  has them before another takes their place

    monkeypatch.setattr("fakeface_utils.networks.weights.imagenet_weights", lambda: random)
    names = by_hand(side=35, epochs=1, drawn=TINY)

    study = load_study("demo", overrides=f"{TINY} vgg16_weights=random")
    for model, own in (("custom_cnn", names["network"]), ("vgg16", names["head"])):
        ours = head_of(build(study, model, 0)).layers
        ours = [layer for layer in ours if not isinstance(layer, keras.layers.InputLayer)]
        assert [type(layer) for layer in own.layers] == [type(layer) for layer in ours]
        assert [w.shape for w in own.weights] == [w.shape for layer in ours for w in layer.weights]
    labels = names["labels"][:, 0]
    assert sorted(labels) == [0] * 6 + [1] * 6
    for model, p_fake in names["p_fake"].items():
        expected = rates(*confusion(labels, p_fake[:, 0]).ravel())
        assert names["table1"][model].to_dict() == pytest.approx(expected)


@pytest.mark.slow
def test_each_result_lies_where_one_more_run_of_the_other_falls(places):
    study = load_study("demo", seeds=3)
    for task in table1.of(study).before():
        task.ensure()
    ours = table1(study).query("metric == 'accuracy'").set_index("model")
    found = [by_hand(seed=seed)["table1"].loc["accuracy"] for seed in study.seeds]
    for model, title in (("custom_cnn", "custom CNN"), ("vgg16", "VGG16")):
        low, high = ours.loc[model, ["predicted_low", "predicted_high"]]
        own = [float(one[title]) for one in found]
        assert low <= np.mean(own) <= high
        assert abs(ours.loc[model, "ours_mean"] - np.mean(own)) <= prediction_half_width(own)
