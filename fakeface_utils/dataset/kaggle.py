"""The paper's dataset, downloaded once with the official kaggle client and kept as a zip."""

import shutil
import subprocess
import sys
from pathlib import Path

from ..errors import StudyError
from ..files import require_free_space
from ..paths import data_dir, shown
from .folder import CLASSES, SPLITS, Image

DATASET = "xhlulu/140k-real-and-fake-faces"
ZIP_BYTES = 3_750_000_000
PAPER_COUNTS = {"train": 50_000, "valid": 10_000, "test": 10_000}  # of each class, section 2


def zip_path() -> Path:
    """Where the archive is kept; one fetched by hand may be put there."""
    return data_dir() / "kaggle" / (DATASET.split("/")[1] + ".zip")


def download() -> Path:
    """The archive's path, downloaded where it isn't there yet.

    Credentials, where the client wants any, are its own affair (a token in the environment or in
    its file): they never pass through this package.

    Raises:
        StudyError: no network, no login, no such dataset, or no room on the disk.
    """
    archive = zip_path()
    if archive.is_file():
        return archive
    require_free_space(archive.parent, ZIP_BYTES, "the zip of the paper's images")
    arriving = archive.parent / "arriving"  # the client resumes here; only a whole zip moves on
    arriving.mkdir(parents=True, exist_ok=True)
    print(f"downloading {DATASET} ({ZIP_BYTES / 1e9:.2f} GB) to {shown(archive.parent)}")
    # As a process: importing the client without a login ends the interpreter.
    client = shutil.which("kaggle", path=Path(sys.executable).parent) or "kaggle"
    command = [client, "datasets", "download", DATASET, "-p", str(arriving)]
    answer = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if answer.returncode or not (arriving / archive.name).is_file():
        raise StudyError(_reason(answer.stdout))
    (arriving / archive.name).replace(archive)
    return archive


def _reason(output: str) -> str:
    """One sentence for what the client printed; its every failure exits 1."""
    by_hand = (
        f"or fetch the zip of {DATASET} in a browser and put it at {shown(zip_path())}, "
        "or give its path as DATA"
    )
    if any(
        word in output for word in ("401", "403", "authenticate", "credentials", "Unauthorized")
    ):
        return f"Kaggle wants a login: create an API token on kaggle.com (Settings), {by_hand}"
    if any(word in output for word in ("resolve", "Max retries", "ConnectionError", "Connection")):
        return f"Kaggle can't be reached: check the network and run again, {by_hand}"
    last = (output.strip().splitlines() or ["no message"])[-1]
    return f"the download from Kaggle failed ({last}): run again, {by_hand}"


def check_counts(images: list[Image]) -> None:
    """Compare the archive's images with the counts that the paper gives.

    Raises:
        StudyError: a split or class has another number of images.
    """
    for split in SPLITS:
        for label, kind in enumerate(CLASSES):
            count = sum(image.split == split and image.label == label for image in images)
            if count != PAPER_COUNTS[split]:
                raise StudyError(
                    f"{shown(zip_path())} has {count} images in {split}/{kind}, not the paper's "
                    f"{PAPER_COUNTS[split]}: delete it and run again"
                )
