"""What a machine needs for the demo and the notebooks, looked at one thing at a time."""

import platform
import shutil
import sys
import time
import webbrowser
from collections.abc import Callable, Iterator

import psutil

from fakeface_utils.run import load_study
from fakeface_utils.util import (
    StudyError,
    check_writable,
    count,
    gpus,
    home,
    human_size,
    lock,
    shown,
)

Found = tuple[str, str]  # what was found, and what to do; '' where it is fine
DISK, MEMORY = 2 * 10**9, 4 * 10**9  # bytes: the demo with everything beyond; four open notebooks
STEPS = 20  # of training; the demo takes 400, and all else about as long again
SLOW = 15  # minutes for the demo beyond which a class waits too long


def python() -> Found:
    """Python's version."""
    fine = (3, 11) <= sys.version_info[:2] <= (3, 13)
    return platform.python_version(), "" if fine else "install Python 3.11, 3.12 or 3.13"


def disk() -> Found:
    """Room for data and results."""
    there = next(path for path in (home("data"), *home("data").parents) if path.exists())
    free = shutil.disk_usage(there).free
    todo = f"make room: {human_size(DISK)} are needed, or name another disk with FAKEFACE_DATA"
    return f"{human_size(free)} free", "" if free >= DISK else todo


def folders() -> Found:
    """Whether files can be written and locked."""
    try:
        check_writable(home("data"), home("results"), home("figures"), home("cache"))
        with lock(home("results") / ".doctor.lock", "looking at this machine", wait=False):
            return "can be written and locked", ""
    except StudyError as error:
        return "can't be written or locked", str(error)


def memory() -> Found:
    """Memory for a kernel for each open notebook."""
    size = psutil.virtual_memory().total
    todo = "shut each notebook's kernel down before you open the next (01 to 04 together take 3 GB)"
    return human_size(size), "" if size >= MEMORY else todo


def cores() -> Found:
    """Cores, on which all times here are for two."""
    number = psutil.cpu_count() or 1
    return count(number, "core"), "" if number > 1 else "everything takes about twice as long"


def keras() -> Found:
    """Keras and what it computes with."""
    try:
        from fakeface_utils.networks import keras
    except StudyError as error:
        return "does not start", str(error)
    return f"{keras.__version__} on {keras.backend.backend()}", ""


def gpu() -> Found:
    """The GPU; the demo needs none."""
    there = gpus()
    if not there:
        return "none; demo and laptop need none", ""
    from fakeface_utils.networks import keras

    seen = any("gpu" in name.lower() for name in keras.distribution.list_devices())
    return there[0], "" if seen else "Keras does not see it: run .venv/bin/pip install -e '.[gpu]'"


def weights() -> Found:
    """VGG16's weights from ImageNet, fetched if they aren't here."""
    from fakeface_utils.networks.weights import imagenet_weights

    try:
        imagenet_weights()
    except StudyError as error:
        return "not here", str(error)
    return f"in {shown(home('cache'))}", ""


def training() -> Found:
    """A few steps of the custom CNN, and what that means for the demo."""
    import numpy as np

    from fakeface_utils.networks import build

    study = load_study("demo")
    network = build(study, "custom_cnn", 0)
    network.compile("adam", "binary_crossentropy")
    side, size = study.image_size, study.batch_size
    images = np.random.default_rng(0).integers(0, 256, (size, side, side, 3)).astype("uint8")
    labels = np.arange(size, dtype="float32")[:, None] % 2
    network.train_on_batch(images, labels)  # builds the graph
    start = time.perf_counter()
    for _ in range(STEPS):
        network.train_on_batch(images, labels)
    steps = study.epochs * 1000 / size
    minutes = 2 * steps * (time.perf_counter() - start) / STEPS / 60
    todo = "close other programs; or copy a finished run: data, results, figures and .cache"
    words = f"the demo takes about {minutes:.0f} minutes here"
    return words, "" if minutes <= SLOW else todo


def browser() -> Found:
    """A browser for JupyterLab, the report and the quiz."""
    try:
        return webbrowser.get().__class__.__name__, ""
    except webbrowser.Error:
        todo = "open the pages on another machine; for JupyterLab: make lab ARGS=--no-browser"
        return "none found", todo


LOOKS = (python, disk, folders, memory, cores, keras, gpu, weights, training, browser)


def lines(looks: tuple[Callable[[], Found], ...] = LOOKS) -> Iterator[tuple[str, bool]]:
    """A line for each look, and whether it is fine; one that fails doesn't stop the others."""
    for look in looks:
        try:
            found, todo = look()
        except Exception as error:  # whatever is wrong on this machine is what was asked
            found, todo = f"{type(error).__name__}: {error}", "see docs/errors.md"
        yield f"{look.__name__:<9} {found}{f'; {todo}' if todo else ''}", not todo


def doctor() -> None:
    """Print the lines; refuse at the end where something is to do."""
    wrong = 0
    for line, fine in lines():
        print(f"{'ok  ' if fine else 'LOOK'} {line}", flush=True)
        wrong += not fine
    if wrong:
        raise StudyError(f"{count(wrong, 'thing')} to do: see the lines that begin with LOOK")
    print("this machine is ready: run make report, then make lab")
