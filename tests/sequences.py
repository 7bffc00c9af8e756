"""Random sequences of what happens to a study; in the end it equals a clean run, or is refused.

    python tests/sequences.py FIRST LAST [keras]

Each sequence has up to eight of: run, edit an image, exchange two labels, edit code, change a
setting, delete or damage a file, kill a run, change an image or code while it runs, start a second
run at once, do one notebook's steps alone; measure beyond the paper, ask a class, exchange the
other images, move a folder. Then everything is looked at, and run once more, twice the same:

- What is shown, in the report's sections, by `compare` and by `predict`, equals what a clean run on
  these images shows, or is withheld in one sentence. What `evaluate` says of each image is what the
  run's networks say, and not of those they learned from.
- Either the command is refused in one sentence, and runs once the run is deleted, or it isn't. The
  results equal a clean run's, to the last byte.

Every run is a process of its own, forked from this one, which has Keras loaded and has computed
nothing.

What is looked for lies in files, locks and markers, so the networks are stand-ins of NumPy, whose
numbers depend on every image, label and setting. With `keras` as third word the study's own
networks train, at ten times the cost.
"""

import json
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import imagehash  # noqa: F401  loaded here, once for all runs
import numpy as np
import pandas as pd
import PIL.Image

import beyond.confidence.ask
import beyond.elsewhere.command
import beyond.quiz.measure
from beyond.compare.measure import compare, evaluated
from fakeface_utils import digests, networks, trained, training
from fakeface_utils import step as step_module
from fakeface_utils.evaluate import notices, table1
from fakeface_utils.extension import extensions
from fakeface_utils.image_files import as_input, decode
from fakeface_utils.models import MODELS
from fakeface_utils.notebook import open_study, report, tasks_of
from fakeface_utils.paper import CLASSES, SPLITS
from fakeface_utils.report import sections
from fakeface_utils.run import load_study, parameters_of
from fakeface_utils.util import PACKAGE, ROOT, StudyError, sha256

SETTINGS = (
    "image_size=32 epochs=2 batch_size=8 custom_filters=2,2,2 custom_dense=4 vgg16_dense=4 "
    "vgg16_weights=random"
)
EDITED = (
    *("fakeface_utils/networks/custom_cnn.py", "fakeface_utils/image_files.py"),
    *("fakeface_utils/evaluate.py", "fakeface_utils/training.py"),
    *("beyond/elsewhere/sets.py", "beyond/quiz/measure.py", "beyond/confidence/measure.py"),
)
MEASURED = ("elsewhere", "confidence", "learning_curve", "audit")
NOTEBOOKS = ("01_dataset", "02_custom_cnn", "03_vgg16_transfer", "04_evaluate")
code_of = digests.code_of


class Numbers:
    """A stand-in of a network: the classes' mean images, and outputs by how near they are."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            held = np.load(file)
            self.fake, self.real = held["means"]
            self.learned = set(held["learned"])  # digests of the images it was trained on

    @classmethod
    def of(cls, study, model, seed):
        return cls(trained.train.of(study, model, seed).path("model.keras"))

    def predict_on_batch(self, images):
        inputs = images if images.shape[1:] == self.fake.shape else StandInBase.every(images)
        far = [np.abs(inputs - m).mean(axis=(1, 2, 3)) for m in (self.fake, self.real)]
        return (far[1] / (far[0] + far[1]))[:, None]

    def predict(self, batches, verbose: int):
        inputs = np.concatenate([batches[n][0] for n in range(len(batches))])
        return self.predict_on_batch(inputs.astype("float64"))


class AllNumbers:
    """A stand-in of a run's networks asked together."""

    def __init__(self, study, models=MODELS) -> None:
        self.size = study.image_size
        self.columns = [(model, seed) for model in models for seed in study.seeds]
        self.networks = [Numbers.of(study, *column) for column in self.columns]

    def p_fake(self, images):
        return np.hstack([one.predict_on_batch(images.astype("float64")) for one in self.networks])


def stand_in_fit(study, model, seed, out) -> Numbers:
    """Two epochs that leave a state each, and the files of a training run."""
    (inputs, labels), (held, valid) = (
        trained.arrays(study, model, split) for split in ("train", "valid")
    )
    means = np.stack([inputs[labels == label].mean(axis=0, dtype="float64") for label in (1, 0)])
    means += study.dropout + study.training_share  # so that a setting shows in the outputs
    learned = [sha256(one.tobytes()) for one in trained.prepared(study, "train", "npy")]
    score = float(np.abs(held - means[0]).mean() + valid @ np.arange(len(valid)))
    log = out / "log.csv"
    rows = log.read_text().splitlines() if log.exists() else []
    for epoch in range(len(rows) + 1, study.epochs + 1):
        time.sleep(0.1)
        rows.append(f"{epoch},{score / epoch!r}")
        (out / "part").write_text("\n".join(rows))
        os.replace(out / "part", log)
    values = [[float(value) for value in row.split(",")] for row in rows]
    table = pd.DataFrame(values, columns=["epoch", "loss"])
    for name in ("accuracy", "val_loss", "val_accuracy"):
        table[name] = table["loss"]
    table[["epoch"]].to_csv(out / "architecture.csv", index=False)
    with (out / "model.keras").open("wb") as file:
        np.savez(file, means=means, learned=learned)
    table.assign(learning_rate=0.1, seconds=0.1).to_csv(out / "history.csv", index=False)
    return Numbers(out / "model.keras")


class StandInBase:
    """A stand-in of the frozen base: every eighth pixel."""

    output_shape = (None, 4, 4, 3)

    @staticmethod
    def every(batch):
        return batch[:, ::8, ::8]

    @classmethod
    def predict_on_batch(cls, batch):
        return cls.every(batch).astype("float32")


def one_sentence(words: str) -> None:
    assert len(words.splitlines()) == 1, f"no sentence but: {words}"


class World:
    """A folder of images, a copy of the package's files, and the places of one study."""

    def __init__(self, root: Path, seed: int) -> None:
        self.root, self.random, self.seed = root, random.Random(seed), seed
        self.code, self.settings = root / "code", SETTINGS
        self.done: set[str] = set()  # what was measured besides the paper's study
        self.place = {name: root / name for name in ("data", "results", "figures", "cache")}
        self.place |= {"faces": root / "faces", "others": root / "others"}
        for name in (PACKAGE.name, "beyond"):
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, self.code / name, ignore=ignored)
        rng = np.random.default_rng(seed)
        for folder in (*(f"faces/{split}" for split in SPLITS), "others/one", "others/two"):
            for kind, base in (("fake", 170), ("real", 80)):
                (root / folder / kind).mkdir(parents=True)
                for number in range(5):
                    self.draw(root / folder / kind / f"{number}.bmp", rng, base)

    @staticmethod
    def draw(path: Path, rng, base: int) -> None:
        pixels = np.clip(rng.normal(base, 60, (36, 36, 3)), 0, 255).astype("uint8")
        PIL.Image.fromarray(pixels).save(path)

    def enter(self) -> None:
        """What a process that starts now sees."""
        for name in ("data", "results", "figures", "cache"):
            os.environ[f"FAKEFACE_{name.upper()}"] = str(self.place[name])
        for stream in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
        beyond.quiz.measure.ASKED = 4
        digests.LOADED.clear()
        step_module.code_of = self.code_of
        if "keras" not in sys.argv:
            networks.base_of = lambda network: StandInBase
            networks.build = lambda *_: None
            trained.fit_network = stand_in_fit
            networks.head_of = lambda network: network
            training.load, training.Detectors = Numbers.of, AllNumbers
        files = [*PACKAGE.rglob("*.py"), *(ROOT / "beyond").glob("*/*.py")]
        digests.edited(self.code_of(*sorted(files)))

    def code_of(self, *files: Path) -> dict[str, str]:
        """Digests of the copy's files: it is what is edited."""
        found = code_of(*files)
        return {
            name: sha256((self.code / name).read_bytes())
            for name in found
            if (self.code / name).exists()
        }

    # What is done to it; those that run give back the refusal, '' where there is none.

    def start(self, work: Callable[[], None]) -> tuple[int, int]:
        """Fork a process that works; its number, and where its refusal will be read."""
        read, write = os.pipe()
        pid = os.fork()
        if pid:
            os.close(write)
            return pid, read
        code = 0
        try:
            self.enter()
            work()
        except StudyError as error:
            os.write(write, str(error).encode())
            code = 3
        except BaseException:
            os.write(write, traceback.format_exc().encode())
            code = 4
        os._exit(code)

    @staticmethod
    def end(pid: int, read: int) -> str:
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        with os.fdopen(read, "rb") as pipe:
            words = pipe.read().decode()
        if code == 4 or (code == 3 and len(words.splitlines()) != 1):
            raise AssertionError(f"no sentence but: {words}")
        return words

    def chain(self, notebooks: tuple[str, ...] = NOTEBOOKS, run: str = "x") -> None:
        settings = self.settings if run == "x" else f"{SETTINGS} dropout=0.3"
        for name in notebooks:
            study = open_study(name, "", str(self.place["faces"]), run, "", settings)
            for task in tasks_of(study, name):
                task.do()

    def run(self) -> str:
        return self.end(*self.start(self.chain))

    def run_afresh(self) -> str:
        """As a refusal says: delete the run's folders."""
        for name in ("results", "figures"):
            shutil.rmtree(self.place[name] / "x", ignore_errors=True)
        return self.run()

    def run_y(self) -> str:
        """Another run on these images, for `compare`."""
        shutil.rmtree(self.place["results"] / "y", ignore_errors=True)
        self.done.add("y")
        return self.end(*self.start(lambda: self.chain(run="y")))

    def alone(self) -> str:
        name = self.random.choice(NOTEBOOKS)
        return self.end(*self.start(lambda: self.chain(notebooks=(name,))))

    def kill(self) -> str:
        pid, read = self.start(self.chain)
        time.sleep(self.random.uniform(0, 6 if "keras" in sys.argv else 1.5))
        os.kill(pid, signal.SIGKILL)
        self.end(pid, read)
        return ""

    def two_at_once(self) -> str:
        both = [self.start(self.chain), self.start(self.chain)]
        return "; ".join(filter(None, (self.end(*one) for one in both)))

    def change_while_it_runs(self) -> str:
        pid, read = self.start(self.chain)
        time.sleep(self.random.uniform(0, 5 if "keras" in sys.argv else 1.5))
        self.random.choice((self.edit_image, self.exchange_labels, self.edit_code))()
        return self.end(pid, read)

    def _measure(self, name: str) -> None:
        others = f"{self.settings} other={self.place['others']}"
        study = open_study(name, "", str(self.place["faces"]), "x", "", others)
        for task in extensions()[name].tasks(study):
            task.ensure()

    def beyond(self, name: str = "") -> str:
        """Measure what isn't in the paper."""
        name = name or self.random.choice(MEASURED)
        self.done.add(name)
        return self.end(*self.start(lambda: self._measure(name)))

    def _ask(self) -> None:
        study = load_study(run="x")
        beyond.quiz.measure.people.of(study).check_before()
        images = beyond.quiz.measure.drawn(study, 0)
        quiz, rng = beyond.quiz.measure.quiz_name(study, images), random.Random(self.seed)
        (folder := self.root / "answers").mkdir(exist_ok=True)
        for person in range(3):
            asked = [(number, image) for number in (1, 2) for image in images["sha256"]]
            lines = [
                f"{quiz},{number},1,{image},{rng.choice(CLASSES)},{rng.choice('123')},9"
                for number, image in asked
            ]
            text = "\n".join([",".join(beyond.quiz.measure.COLUMNS), *lines])
            (folder / f"{person}.csv").write_text(text)
        beyond.quiz.measure.pool(study, folder, 0)

    def ask_a_class(self) -> str:
        self.done.add("quiz")
        return self.end(*self.start(self._ask))

    def exchange_others(self) -> str:
        """Of a set of other images reals are fakes and fakes are reals."""
        kinds = self.place["others"] / "one" / "fake", self.place["others"] / "one" / "real"
        kinds[0].rename(kinds[0].with_name("x"))
        kinds[1].rename(kinds[0])
        kinds[0].with_name("x").rename(kinds[1])
        return ""

    def move(self) -> str:
        """What was done is done where the results, figures or prepared images are moved."""
        before = self.ask(self._current)
        name = self.random.choice(("results", "figures", "data"))
        if self.place[name].exists():
            new = self.root / f"{name}-{self.random.randrange(10**6)}" / name
            new.parent.mkdir()
            self.place[name] = self.place[name].rename(new)
        after = self.ask(self._current)
        assert before == after, f"moved {name}: {before} before, {after} after"
        return ""

    def move_images(self) -> str:
        """Another mount of the same images."""
        new = self.root / f"mount-{self.random.randrange(10**6)}" / "faces"
        new.parent.mkdir()
        self.place["faces"] = self.place["faces"].rename(new)
        return ""

    def ask(self, work: Callable[[], dict]) -> dict:
        """What a process of its own finds."""
        path = self.root / "found.json"
        path.unlink(missing_ok=True)
        refused = self.end(*self.start(lambda: path.write_text(json.dumps(work())) and None))
        return {"refused": refused} if refused else json.loads(path.read_text())

    def _current(self) -> dict[str, str]:
        last, look = report.of(load_study(run="x")), digests.Look()
        return {task.name: "current" for task in last.before() if not task.why_stale(look)}

    def _shown(self) -> dict[str, str]:
        """What is shown of the run as it stands; what is withheld isn't among it."""
        study = load_study(run="x")
        found = {"settings": str(parameters_of(study)["overrides"]).partition(" other=")[0]}

        def say(name: str, work: Callable[[], object]) -> None:
            try:
                found[name] = re.sub(r"data:image[^\"]+", "", str(work()))
            except StudyError as error:
                one_sentence(str(error))

        def compared() -> list[str]:
            found = compare(evaluated(["x", "y"]))
            tables = found.about, found.settings, found.table, found.differences
            return [table.to_csv() for table in tables]

        def predicted() -> str:
            (csv := self.root / "predict.csv").unlink(missing_ok=True)
            beyond.confidence.ask.predict([str(image)], "x", "custom_cnn", csv=csv)
            return pd.read_csv(csv).drop(columns="file").to_csv()

        image = self.place["others"] / "two" / "fake" / "0.bmp"
        say("compare", compared)
        say("predict", predicted)
        if not table1.of(study).why_stale():
            say("table1", lambda: table1(study).to_csv())
            for section in sections(study):
                name = re.findall('<h2 id="(.+?)">', section.data)[0]
                if name != "not-measured":
                    say(name, lambda section=section: section.data)
            if "audit" in found:
                say("notices", lambda: notices(study))
        if "keras" not in sys.argv:
            self._evaluate(study)
        return found

    def _evaluate(self, study) -> None:
        """What evaluate says of each image is what a network says that hasn't learned from it."""
        (csv := self.root / "evaluate.csv").unlink(missing_ok=True)
        folder = self.place[self.random.choice(("faces", "others"))]
        try:
            beyond.elsewhere.command.evaluate(folder, "x", csv=csv)
        except StudyError as error:
            return one_sentence(str(error))
        for row in pd.read_csv(csv).dropna(subset="p_fake").itertuples():
            network, path = Numbers.of(study, row.model, int(row.seed)), folder / row.path
            pixels = as_input(decode(path.read_bytes()).image, 32, "bilinear")
            says = network.predict_on_batch(pixels[None].astype("float64"))[0, 0]
            assert abs(says - row.p_fake) < 1e-9, f"evaluate says {row}, the network {says}"
            assert row.label == (path.parent.name == "fake"), row
            learned = sha256(pixels.tobytes()) in network.learned
            assert not learned, f"evaluate scores {path}, which a network learned from"

    def _images(self) -> list[Path]:
        return sorted(self.place["faces"].rglob("*.bmp"))

    def edit_image(self) -> str:
        """Other pixels; every other time with the size and the time of before."""
        path = self.random.choice(self._images())
        status = path.stat()
        rng = np.random.default_rng(self.random.randrange(10**6))
        self.draw(path, rng, self.random.randrange(60, 200))
        if self.random.random() < 0.5:
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        return ""

    def exchange_labels(self) -> str:
        """A fake and a real image change places; sizes and times are equal."""
        split = self.random.choice(SPLITS)
        fake, real = (self.place["faces"] / split / kind / "0.bmp" for kind in ("fake", "real"))
        a, b = fake.read_bytes(), real.read_bytes()
        fake.write_bytes(b)
        real.write_bytes(a)
        for path in (fake, real):
            os.utime(path, (1.7e9, 1.7e9))
        return ""

    def edit_code(self) -> str:
        with (self.code / self.random.choice(EDITED)).open("a") as file:
            file.write(f"# {self.random.random()}\n")
        return ""

    def change_setting(self) -> str:
        self.settings = f"{SETTINGS} dropout={self.random.choice((0.1, 0.2, 0.4))}"
        return ""

    def damage(self) -> str:
        """Delete, shorten, or overwrite a file that the study left."""
        left = [
            path
            for name in ("data", "results", "cache")
            for path in sorted(self.place[name].rglob("*"))
            if path.is_file() and path.suffix not in (".lock", ".holder")
        ]
        if left:
            path = self.random.choice(left)
            content = path.read_bytes()
            how = self.random.choice(("delete", "shorten", "other", "flip"))
            if how == "delete":
                path.unlink()
            elif how == "shorten":
                path.write_bytes(content[: len(content) // 2])
            elif how == "other":
                path.write_bytes(b"[]")
            elif content:
                place = self.random.randrange(len(content))
                path.write_bytes(
                    content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
                )
        return ""

    def results(self) -> dict[str, str]:
        """Table 1, predictions and histories (without their seconds), and the images' hash."""
        found = {}
        run = self.place["results"] / "x"
        for path in sorted([run / "table1.csv", *run.glob("*/seed-*/*.csv")]):
            table = pd.read_csv(path, dtype=str).drop(columns="seconds", errors="ignore")
            found[path.relative_to(self.place["results"]).as_posix()] = table.to_csv()
        return found


ACTIONS = (
    "run", "run", "edit_image", "exchange_labels", "edit_code", "change_setting", "damage",
    "damage", "kill", "two_at_once", "change_while_it_runs", "alone", "beyond", "beyond", "run_y",
    "ask_a_class", "exchange_others", "move", "move_images",
)  # fmt: skip


def sequence(seed: int) -> str:
    """Do one sequence; its actions and how it ended, in a line.

    Raises:
        AssertionError: the results aren't a clean run's, or what was said was no sentence.
    """
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder) / "world", seed)
        done = []
        try:
            first = ["run"] * bool(seed % 4)  # else what is shown would be little
            for action in first + world.random.choices(ACTIONS, k=world.random.randint(2, 8)):
                refused = getattr(world, action)()
                done.append(f"{action} (refused: {refused})" if refused else action)
            shown = world.ask(world._shown)
            refused = world.run()
            if refused:
                done.append(f"last run refused: {refused}")
                damaged = [Path(word) for word in refused.split() if "is damaged" in refused]
                for path in (path for path in damaged if path.is_file()):
                    path.unlink()  # as the sentence says
                refused = world.run() and world.run_afresh()
                assert not refused, f"afresh and refused: {refused}"
            clean, held = World(Path(folder) / "clean", seed), world.settings
            for name in ("faces", "others"):
                shutil.rmtree(clean.place[name])
                shutil.copytree(world.place[name], clean.place[name])
            if len(shown) > 1:
                clean.settings = shown["settings"]
                assert not clean.run()
                for name in sorted(world.done):
                    others = {"quiz": clean.ask_a_class, "y": clean.run_y}
                    assert not others.get(name, lambda name=name: clean.beyond(name))()
                fresh = clean.ask(clean._shown)
                wrong = [name for name in shown if shown[name] != fresh.get(name)]
                assert not wrong, f"shown, and not what a clean run shows: {wrong}"
                done.append(f"shown: {', '.join(shown)}")
            clean.settings = held
            assert not clean.run_afresh()
            ours, theirs = world.results(), clean.results()
            differ = [name for name in theirs if ours.get(name) != theirs[name]]
            assert not differ, f"not a clean run's: {differ}"
        except AssertionError as error:
            raise AssertionError(f"sequence {seed}: {', '.join(done)}: {error}") from error
        return f"sequence {seed}: {', '.join(done)}: equal"


def main() -> None:
    """Do the sequences; exit code 1 where one failed."""
    failed = 0
    for seed in range(int(sys.argv[1]), int(sys.argv[2])):
        try:
            print(sequence(seed), flush=True)
        except AssertionError as error:
            failed += 1
            print(f"FAILED {error}", flush=True)
    print(f"{failed} failed")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
