"""Memory and time by the number of images.

`python -m benchmarks.growth FOLDER COUNT PIXELS` does the work for one number of images.
"""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

from benchmarks.common import Result, seconds, study_of
from benchmarks.memory import PeakMemory
from fakeface_utils.common.errors import StudyError
from fakeface_utils.common.paths import data_dir
from fakeface_utils.dataset.prepare import prepare
from fakeface_utils.study.names import CLASSES, SPLITS
from fakeface_utils.study.plan import prepare_step, train_step


def growth(folder: Path, sizes: tuple[int, ...], pixels: int) -> list[Result]:
    """Memory and time of preparing, and of one training epoch, by the number of images.

    Each number of images has a process of its own, since a process seldom gives memory back.
    """
    rows = []
    for count in sizes:
        command = [sys.executable, "-m", __name__]
        words = [str(folder), str(count), str(pixels)]
        answer = subprocess.run([*command, *words], capture_output=True, text=True)
        if answer.returncode:
            raise StudyError(f"{count} images failed: {answer.stderr.strip().splitlines()[-1]}")
        rows.append(json.loads(answer.stdout.splitlines()[-1]))
    return rows


def _grow() -> None:
    """The work of `growth` for one number of images, in a process of its own."""
    from fakeface_utils.networks.training import train

    folder, count, pixels = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    archive = data_dir() / f"{count}.zip"
    archive.parent.mkdir(parents=True, exist_ok=True)
    files = {kind: sorted((folder / "train" / kind).iterdir()) for kind in CLASSES}
    with zipfile.ZipFile(archive, "w") as target:
        for split, number in zip(SPLITS, (count // 2, 10, 10), strict=True):
            for kind, originals in files.items():
                for index in range(number):
                    content = originals[index % len(originals)].read_bytes()
                    target.writestr(f"{split}/{kind}/{index:05d}.jpg", content)
    small = {"custom_filters": (8, 8, 8), "custom_dense": 16, "epochs": 1, "batch_size": 100}
    study = study_of(archive, image_size=pixels, **small)
    with PeakMemory() as memory:
        prepare(study)
        train(study, "custom_cnn", 0)
    row = {
        "images": count,
        "peak_memory": memory.peak,
        "preparing_seconds": seconds(prepare_step(study)),
        "epoch_seconds": seconds(train_step(study, "custom_cnn", 0)),
    }
    print(json.dumps(row))


if __name__ == "__main__":
    _grow()
