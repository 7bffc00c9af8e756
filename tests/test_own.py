"""A network of one's own, from a cell to Table 1, and the cells of notebooks 02 and 03."""

import importlib.util
import json
import sys

import keras
import pytest
from keras import layers

from classroom.own import own_network
from conftest import done
from fakeface_utils import training
from fakeface_utils.evaluate import notices, table1
from fakeface_utils.figures import figures
from fakeface_utils.models import MODELS
from fakeface_utils.report import opening
from fakeface_utils.run import load_study
from fakeface_utils.trained import arrays, features, predict, train
from fakeface_utils.util import NOTEBOOKS, StudyError

SIDES = (3, 5)
UNKNOWN = object()


def convolved(x, filters):
    return layers.Conv2D(filters, SIDES[0], activation="relu")(x)


def mine(study):
    """One convolution."""
    inputs = keras.Input((study.image_size, study.image_size, 3), dtype="uint8")
    x = layers.Flatten()(convolved(layers.Rescaling(1 / 255)(inputs), 2))
    return keras.Model(inputs, layers.Dense(1, activation="sigmoid", dtype="float32")(x))


def other(study):
    inputs = keras.Input((study.image_size, study.image_size, 3), dtype="uint8")
    return keras.Model(inputs, layers.Dense(1, activation="sigmoid")(layers.Flatten()(inputs)))


def do(study):
    """Table 1 and what it stands on; the names of what was done."""
    last = table1.of(study)
    return [task.name for task in (*last.before(), last) if task.ensure()]


def test_a_network_of_ones_own_is_in_the_run_until_its_file_is_taken_away(finished, capsys):
    study = finished()
    told, before = notices(study), [train.of(study, m, 0).marker.stat().st_mtime_ns for m in MODELS]
    with pytest.raises(StudyError, match="mine isn't the network that is called 'custom_cnn'"):
        own_network(study, "custom_cnn", mine)
    assert not study.networks.exists()
    assert own_network(study, "mine", mine) == "mine"
    assert "mine is a network of run 'made-up' now" in capsys.readouterr().out
    assert [*study.models] == [*MODELS, "mine"]
    assert do(study) == ["train mine 0", "predict mine 0", "table1"]
    assert before == [train.of(study, m, 0).marker.stat().st_mtime_ns for m in MODELS]
    table = table1(study)
    assert table["model"].tolist()[8:] == ["mine"] * 4
    assert set(table["verdict"][8:]) == {"not in the paper"}
    assert table["paper"][8:].isna().all()
    assert {*notices(study)} - {*told} == {
        "Not in the paper, but networks of this run's own: mine."
    }
    figures(study)
    assert (study.figures / "curves_mine.png").is_file()
    assert "Accuracy, mine" in opening(study).data

    capsys.readouterr()
    assert own_network(study, "mine", mine) == "mine"  # as it is
    assert capsys.readouterr().out == ""
    assert do(study) == []
    own_network(study, "mine", other)
    assert train.of(study, "mine", 0).why_not_done() == "mine.py has changed"
    assert do(study)[0] == "train mine 0"
    assert before == [train.of(study, m, 0).marker.stat().st_mtime_ns for m in MODELS]

    assert load_study(run="another").models == MODELS
    (study.networks / "mine.py").unlink()
    assert do(study) == ["table1"]
    assert len(table1(study)) == 8
    assert notices(study) == told


def test_a_file_stands_alone_and_holds_what_the_function_uses(places):
    study = load_study(run="own", overrides="image_size=35")
    helper = type(convolved)(convolved.__code__, globals(), "convolved")
    helper.__module__ = "__main__"  # as of a notebook
    function = type(mine)(mine.__code__, {**globals(), "convolved": helper}, "mine")
    own_network(study, "mine", function)
    text = (study.networks / "mine.py").read_text()
    for line in ("import keras\n", "import keras.layers as layers\n", "SIDES = (3, 5)\n"):
        assert text.count(line) == 1, line
    assert text.index("def convolved(") < text.index("def mine(") < text.index("build = mine")


def unfrozen(study):
    inputs = keras.Input((study.image_size, study.image_size, 3), dtype="uint8")
    x = layers.Flatten()(layers.Conv2D(4, 5, strides=5)(layers.Rescaling(1 / 255)(inputs)))
    return keras.Model(inputs, layers.Dense(1, activation="sigmoid", name="head")(x))


def a_lambda(study):
    inputs = keras.Input((study.image_size, study.image_size, 3), dtype="uint8")
    x = layers.Flatten()(layers.Lambda(lambda values: values / 255)(inputs))
    return keras.Model(inputs, layers.Dense(1)(x))


def two_outputs(study):
    inputs = keras.Input((study.image_size, study.image_size, 3), dtype="uint8")
    return keras.Model(inputs, layers.Dense(2)(layers.Flatten()(inputs)))


def of_the_notebook(study):
    return UNKNOWN(study)


@pytest.mark.parametrize(
    ("name", "function", "said"),
    [
        ("Mine", mine, "'Mine' is no name for a network: give small letters"),
        ("train", mine, "'train' is no name"),
        ("mine", lambda study: mine(study), "written with def at the top of a cell"),
        ("mine", 3, "written with def at the top of a cell"),
        ("mine", two_outputs, r"to one output \(None, 1\)"),
        ("mine", unfrozen, "nothing before it is trainable"),
        ("mine", a_lambda, "Keras' safe mode: use Keras' own layers, and no Lambda"),
        ("mine", of_the_notebook, "of_the_notebook uses UNKNOWN, which a file can't hold"),
    ],
)
def test_what_cannot_be_trained_and_kept_is_refused_and_leaves_nothing(
    places, name, function, said
):
    study = load_study(run="own", overrides="image_size=35")
    with pytest.raises(StudyError, match=said):
        own_network(study, name, function)
    assert not list(study.networks.glob("*"))


def cell(tmp_path, notebook, name, *change):
    """The function of this name, of a notebook's cell that may have been changed."""
    cells = json.loads((NOTEBOOKS / f"{notebook}.ipynb").read_text("utf-8"))["cells"]
    (source,) = [s for c in cells if f"def {name}(" in (s := "".join(c["source"]))]
    path = tmp_path / f"{name}_{len(change)}.py"
    path.write_text(source.replace(*change) if change else source)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name)


@pytest.mark.parametrize(
    ("notebook", "name", "old", "new", "layer", "shape"),
    [
        ("02_custom_cnn", "custom_cnn", "strides=2", "strides=3", "pool1", "12x12x64"),
        ("03_vgg16_transfer", "vgg16", "study.vgg16_dense", "7", "dense", "7"),
    ],
)
def test_the_cells_network_is_the_packages_and_if_changed_has_a_name_of_its_own(
    places, faces, tmp_path, monkeypatch, notebook, name, old, new, layer, shape
):
    def untrained(study, model, network, seed, data, out):
        (out / "history.csv").write_text("epoch\n1\n")

    monkeypatch.setattr(training, "fit", untrained)
    overrides = "image_size=35 epochs=1 vgg16_weights=random"
    study = load_study(data=str(faces), run="own", overrides=overrides)
    assert own_network(study, name, cell(tmp_path, notebook, name)) == name
    changed = cell(tmp_path, notebook, name, old, new)
    with pytest.raises(StudyError, match=rf"own_network\(study, 'mine', {name}\)"):
        own_network(study, name, changed)
    assert own_network(study, "mine", changed) == "mine"
    about = study.models["mine"]
    assert (about.notebook, about.frozen_base) == (notebook, MODELS[name].frozen_base)
    last = done(predict.of(study, "mine", 0))
    assert last.read()["p_fake"].between(0, 1).all()
    assert not train.of(study, name, 0).marker.exists()
    layout = train.of(study, "mine", 0).read("architecture.csv").set_index("layer")
    assert layout.loc[layer, "output_shape"] == shape
    if about.frozen_base:
        assert features.of(study, "mine", "train").folder.parent == study.networks
        assert arrays(study, "mine", "train")[0].shape == (8, 1, 1, 512)


def test_what_a_name_means_counts_as_the_code_does(places, monkeypatch, tmp_path):
    study = load_study(run="own", overrides="image_size=35")
    function = cell(tmp_path, "02_custom_cnn", "custom_cnn")
    monkeypatch.setitem(function.__globals__, "layers", keras.initializers)
    with pytest.raises(StudyError, match="isn't the network"):
        own_network(study, "custom_cnn", function)
