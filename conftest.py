"""Places of the tests' own: nothing is written into the checkout."""

import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import nbformat
import numpy as np
import PIL.Image
import pytest
from bs4 import BeautifulSoup
from filelock import FileLock

from fakeface_utils.paper import SPLITS
from fakeface_utils.util import ROOT

TINY = (
    "images_per_class=24 image_size=35 epochs=2 custom_filters=8,8,8 custom_dense=16 "
    "vgg16_dense=16 batch_size=10 vgg16_weights=random"
)
PLACES = ("data", "cache", "results", "figures")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SECRET = "planted-key-5b1e"  # a person's credentials, which no file may ever hold


def done(*tasks):
    """Do tasks of steps and all that they stand on; the last of them."""
    for task in tasks:
        for one in (*task.before(), task):
            one.ensure()
    return tasks[-1]


def html(shown):
    """What is shown, or a text, as a tree of its elements."""
    text = re.sub("<wbr/?>", "", getattr(shown, "data", shown))  # where a line may break
    return BeautifulSoup(text, "html.parser")


def write_set(root, count, draw, suffix="png"):
    """Files of so many images of each class in each split, drawn by split, class and number."""
    for split, kind in itertools.product(SPLITS, ("fake", "real")):
        folder = root / split / kind
        folder.mkdir(parents=True)
        for number in range(count):
            draw(split, kind, number).save(folder / f"{number}.{suffix}")
    return root


def places_in(root):
    """The variables that put data, cache, results and figures below a folder."""
    return {f"FAKEFACE_{name.upper()}": str(root / name) for name in PLACES}


def enter(monkeypatch, root):
    """Let this process work below a folder."""
    for name, place in places_in(root).items():
        monkeypatch.setenv(name, place)


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Data, cache, results and figures under a temporary folder."""
    enter(monkeypatch, tmp_path)
    return tmp_path


@pytest.fixture
def faces(tmp_path):
    """A dataset of noise in the Kaggle archive's layout: 4 images of each class in each split."""
    rng = np.random.default_rng(0)

    def noise(*_):
        return PIL.Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8))

    write_set(tmp_path / "faces" / "a" / "b", 4, noise, "jpg")
    return tmp_path / "faces"


@pytest.fixture
def finished(places, faces, monkeypatch):
    """Make up a finished run on images of noise: its files and markers, without Keras."""
    import pandas as pd

    from fakeface_utils import step as engine
    from fakeface_utils import trained
    from fakeface_utils.evaluate import table1
    from fakeface_utils.run import claim_run, load_study

    said = {}  # by run, what its networks say of a manifest

    def fit(study, model, seed, out):
        rng, rows = np.random.default_rng((len(model), seed)), range(1, study.epochs + 1)
        values = {name: rng.random(len(rows)) for name in ("loss", "accuracy", "val_loss")}
        table = pd.DataFrame({"epoch": rows, **values, "val_accuracy": 0.5})
        table.assign(learning_rate=0.1, seconds=1.0).to_csv(out / "history.csv", index=False)
        (out / "model.keras").write_text(f"{model} {seed}")
        layers = {"layer": ["x"], "kind": "Dense", "output_shape": "1", "activation": ""}
        numbers = {"parameters": 1, "trainable": 1, "multiply_adds": 1}
        pd.DataFrame(layers | numbers).to_csv(out / "architecture.csv", index=False)

    def answers(study, model, network, split):
        table = trained.prepared(study, split, "csv")
        chance = np.random.default_rng((len(model), len(table))).random(len(table))
        p_fake = said[study.run](model, table) if study.run in said else chance
        return table[["path", "label"]].assign(p_fake=p_fake)

    def predict(study, model, seed, out):
        for split, name in (("valid", "validation.csv"), ("test", "predictions.csv")):
            answers(study, model, None, split).to_csv(out / name, index=False)

    def features(study, model, split, out):
        np.save(out / f"{split}.npy", np.zeros((8, 1, 1, 4), "float16"))

    for name in ("versions", "hardware", "git_revision"):  # slow, and nothing stands on them
        monkeypatch.setattr(engine, name, dict)
    monkeypatch.setattr(trained, "fit_network", fit)
    monkeypatch.setattr(trained, "answers", answers)
    works = {trained.features: features, trained.predict: predict}
    kept = {step: step.work for step in works}
    for step, work in works.items():
        object.__setattr__(step, "work", work)

    def make(profile="demo", seeds=1, overrides="", run="made-up", data=faces, p_fake=None):
        study = load_study(profile, str(data), run, seeds, f"image_size=32 {overrides}")
        said.update({run: p_fake} if p_fake else {})
        claim_run(study)
        done(table1.of(study))
        claim_run(study)
        return study

    yield make
    for step, work in kept.items():
        object.__setattr__(step, "work", work)


def notebook_of(folder, source):
    """A notebook of one cell."""
    cells = [nbformat.v4.new_code_cell(source)]
    kernel = {"kernelspec": {"name": "python3", "display_name": "x", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), folder / "n.ipynb")
    return folder / "n.ipynb"


@pytest.fixture
def run_notebook(places):
    """Run one cell as a notebook of the chain; the path of the executed copy."""
    from fakeface_utils import chain
    from fakeface_utils.run import load_study

    def run(source):
        study = load_study(run="x")
        chain.execute(study, "n", notebook_of(places, source), chain.Status("[1/1] n", []))
        return chain.executed(study, "n")

    return run


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    if not CHROMIUM:
        pytest.skip("Chromium is not installed")
    with sync_playwright() as driver:
        chrome = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chrome
        chrome.close()


def watched(page):
    """Two lists that grow: addresses that a browser's page asks for, and what it complains of."""
    requests, complaints = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    return requests, complaints


class Project:
    """A copy of the code and the notebooks, with places of its own, used by the command line."""

    def __init__(self, root):
        self.root = root
        ignored = shutil.ignore_patterns("__pycache__")
        for name in ("fakeface_utils", "beyond", "notebooks", "classroom"):
            if not (root / name).exists():
                shutil.copytree(ROOT / name, root / name, ignore=ignored)
        self.results, self.figures = root / "results" / "tiny", root / "figures" / "tiny"
        login = {"KAGGLE_USERNAME": "somebody", "KAGGLE_KEY": SECRET, "KAGGLE_API_TOKEN": SECRET}
        self.environment = {**os.environ, **places_in(root), **login, "PYTHONPATH": str(root)}

    def start(self, *words):
        command = "import sys; from fakeface_utils.cli import main; sys.exit(main())"
        return subprocess.Popen(
            [sys.executable, "-c", command, *words],
            env=self.environment, cwd=self.root, text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def run(self, *words):
        process = self.start(*words)
        output, _ = process.communicate(timeout=1800)  # a guard against hanging, no more
        return process.returncode, output

    def python(self, code):
        """What a program prints in this project."""
        words = [sys.executable, "-c", code]
        answer = subprocess.run(
            words, env=self.environment, cwd=self.root, capture_output=True, text=True, check=True
        )
        return answer.stdout

    def papermill(self, notebook, *words):
        command = [sys.executable, "-m", "papermill", f"{notebook}.ipynb", self.root / "out.ipynb"]
        return subprocess.run(
            [*command, "-k", "python3", *words],
            env=self.environment, cwd=self.root / "notebooks", capture_output=True, text=True,
        )  # fmt: skip


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    """The study on a tiny setting, interrupted while it trains, then run to its end."""
    shared = tmp_path_factory.getbasetemp()  # by the processes of pytest-xdist, if there are any
    shared = shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared
    said = shared / "project.txt"
    words = ("report", "--run", "tiny", "--seeds", "2", "--set", TINY)
    with FileLock(shared / "project.lock"):
        project = Project(shared / "project")
        if not said.exists():
            process = project.start(*words)
            seed = project.results / "custom_cnn" / "seed-0"
            while not (seed / ".train-custom_cnn-0.part").exists():
                assert process.poll() is None, process.communicate()[0]
                time.sleep(0.01)
            os.killpg(process.pid, signal.SIGINT)
            output, _ = process.communicate(timeout=300)
            assert process.returncode == 130, output
            assert "interrupted" in output
            code, output = project.run(*words)
            assert code == 0, output
            assert "01_dataset: up to date, skipped" in output
            said.write_text(output)
    project.output = said.read_text()
    return project
