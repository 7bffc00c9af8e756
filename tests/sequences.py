"""Random sequences of what happens to a study; in the end it equals a clean run, or is refused.

    python tests/sequences.py FIRST LAST [keras]

Each sequence has up to eight of: run, edit an image, exchange two labels, edit code, change a
setting, delete or damage a file, kill a run, change an image or code while it runs, start a second
run at once, do one notebook's steps alone. Then everything is run once more. Either the command is
refused in one sentence, and runs once the run is deleted, or it isn't. The results must equal those
of a clean run on the same images and settings, to the last byte. Every run is a process of its own,
forked from this one, which has Keras loaded and has computed nothing.

What is looked for lies in files, locks and markers, so the networks are stand-ins of NumPy, whose
numbers depend on every image, label and setting. With `keras` as third word the study's own
networks train, at ten times the cost.
"""

import os
import random
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

from fakeface_utils import digests, networks, trained, training
from fakeface_utils import step as step_module
from fakeface_utils.notebook import open_study, tasks_of
from fakeface_utils.paper import SPLITS
from fakeface_utils.util import PACKAGE, StudyError, sha256

SETTINGS = (
    "image_size=32 epochs=2 batch_size=8 custom_filters=2,2,2 custom_dense=4 vgg16_dense=4 "
    "vgg16_weights=random"
)
EDITED = ("networks/custom_cnn.py", "image_files.py", "evaluate.py", "training.py")
NOTEBOOKS = ("01_dataset", "02_custom_cnn", "03_vgg16_transfer", "04_evaluate")
code_of = digests.code_of


class Numbers:
    """A stand-in of a network: the classes' mean images, and outputs by how near they are."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self.fake, self.real = np.load(file)["means"]

    def predict(self, batches, verbose: int):
        inputs = np.concatenate([batches[n][0] for n in range(len(batches))]).astype("float64")
        far = [np.abs(inputs - m).mean(axis=(1, 2, 3)) for m in (self.fake, self.real)]
        return (far[1] / (far[0] + far[1]))[:, None]


def stand_in_fit(study, model, seed, out) -> None:
    """Two epochs that leave a state each, and the files of a training run."""
    (inputs, labels), (held, valid) = (
        trained.arrays(study, model, split) for split in ("train", "valid")
    )
    means = np.stack([inputs[labels == label].mean(axis=0, dtype="float64") for label in (1, 0)])
    means += study.dropout  # so that a setting shows in the outputs
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
        np.savez(file, means=means)
    table.assign(learning_rate=0.1, seconds=0.1).to_csv(out / "history.csv", index=False)


class StandInBase:
    """A stand-in of the frozen base: every eighth pixel."""

    output_shape = (None, 4, 4, 3)

    @staticmethod
    def predict_on_batch(batch):
        return batch[:, ::8, ::8].astype("float32")


class World:
    """A folder of images, a copy of the package's files, and the places of one study."""

    def __init__(self, root: Path, seed: int) -> None:
        self.root, self.random = root, random.Random(seed)
        self.data, self.package = root / "faces", root / "code" / PACKAGE.name
        self.settings = SETTINGS
        shutil.copytree(PACKAGE, self.package, ignore=shutil.ignore_patterns("__pycache__"))
        rng = np.random.default_rng(seed)
        for split in SPLITS:
            for kind, base in (("fake", 170), ("real", 80)):
                (self.data / split / kind).mkdir(parents=True)
                for number in range(5):
                    self.draw(self.data / split / kind / f"{number}.bmp", rng, base)

    @staticmethod
    def draw(path: Path, rng, base: int) -> None:
        pixels = np.clip(rng.normal(base, 60, (36, 36, 3)), 0, 255).astype("uint8")
        PIL.Image.fromarray(pixels).save(path)

    def enter(self) -> None:
        """What a process that starts now sees."""
        for name in ("data", "results", "figures", "cache"):
            os.environ[f"FAKEFACE_{name.upper()}"] = str(self.root / name)
        for stream in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
        digests.LOADED.clear()
        step_module.code_of = self.code_of
        if "keras" not in sys.argv:
            networks.base_of = lambda network: StandInBase
            networks.build = lambda *_: None
            trained.fit_network = stand_in_fit
            networks.head_of = lambda network: network
            training.load = lambda study, model, seed: Numbers(
                trained.train.of(study, model, seed).path("model.keras")
            )
        digests.edited(self.code_of(*sorted(PACKAGE.rglob("*.py"))))

    def code_of(self, *files: Path) -> dict[str, str]:
        """Digests of the copy's files: it is what is edited."""
        found = code_of(*files)
        return {
            name: sha256((self.package.parent / name).read_bytes())
            for name in found
            if (self.package.parent / name).exists()
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

    def chain(self, notebooks: tuple[str, ...] = NOTEBOOKS) -> None:
        for name in notebooks:
            study = open_study(name, "", str(self.data), "x", "", self.settings)
            for task in tasks_of(study, name):
                task.do()

    def run(self) -> str:
        return self.end(*self.start(self.chain))

    def run_afresh(self) -> str:
        """As a refusal says: delete the run's folders."""
        for name in ("results", "figures"):
            shutil.rmtree(self.root / name / "x", ignore_errors=True)
        return self.run()

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

    def _images(self) -> list[Path]:
        return sorted(self.data.rglob("*.bmp"))

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
        fake, real = (self.data / split / kind / "0.bmp" for kind in ("fake", "real"))
        a, b = fake.read_bytes(), real.read_bytes()
        fake.write_bytes(b)
        real.write_bytes(a)
        for path in (fake, real):
            os.utime(path, (1.7e9, 1.7e9))
        return ""

    def edit_code(self) -> str:
        with (self.package / self.random.choice(EDITED)).open("a") as file:
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
            for path in sorted((self.root / name).rglob("*"))
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
        for path in sorted((self.root / "results" / "x").rglob("*.csv")):
            table = pd.read_csv(path, dtype=str).drop(columns="seconds", errors="ignore")
            found[path.relative_to(self.root).as_posix()] = table.to_csv()
        return found


ACTIONS = (
    "run", "run", "edit_image", "exchange_labels", "edit_code", "change_setting", "damage",
    "damage", "kill", "two_at_once", "change_while_it_runs", "alone",
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
            for _ in range(world.random.randint(2, 8)):
                action = world.random.choice(ACTIONS)
                refused = getattr(world, action)()
                done.append(f"{action} (refused: {refused})" if refused else action)
            refused = world.run()
            if refused:
                done.append(f"last run refused: {refused}")
                damaged = [Path(word) for word in refused.split() if "is damaged" in refused]
                for path in (path for path in damaged if path.is_file()):
                    path.unlink()  # as the sentence says
                refused = world.run() and world.run_afresh()
                assert not refused, f"afresh and refused: {refused}"
            clean = World(Path(folder) / "clean", seed)
            shutil.rmtree(clean.data)
            shutil.copytree(world.data, clean.data)
            clean.settings = world.settings
            assert not clean.run()
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
