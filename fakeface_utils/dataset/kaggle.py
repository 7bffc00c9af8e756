"""The paper's dataset, downloaded once with the official Kaggle client and kept as a zip."""

import json
import re
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

from ..common.errors import StudyError
from ..common.files import human_size, require_free_space
from ..common.machine import ENDS_WITH_PARENT
from ..common.paths import shown
from ..common.progress import progress
from ..study.artefacts import NAME, OWNER, kaggle_location
from ..study.names import CLASSES, SPLITS
from ..study.paper import PAPER_COUNTS
from .folder import Image

ZIP_BYTES = 3_750_000_000

# The client runs in a process of its own: importing it without a login ends the interpreter.
CLIENT = f"""{ENDS_WITH_PARENT}
import sys
sys.argv[0] = "kaggle"  # by this name the client allows public data without a login
from kaggle.cli import main
main()
"""
DATASET = f"{OWNER}/{NAME}"
LOGIN = "create an API token on kaggle.com (Settings) and save it as that page says, and run again"

REASONS = (  # by what the client prints, since every failure exits 1; the first match counts
    (r"\b401\b|Authentication required|Unauthorized", f"Kaggle asks for a login: {LOGIN}"),
    (r"\b403\b", f"Kaggle denies access (403): {LOGIN}"),
    (r"\b404\b", f"Kaggle has no dataset {DATASET} (404): look for it on kaggle.com"),
    (r"\b429\b", "Kaggle asks for a pause (429, too many requests): run again in a few minutes"),
    (
        r"\b5\d\d Server Error|Internal Server Error",
        "Kaggle's server failed (5xx): run again later",
    ),
    (r"Expecting value", "a web page answered in Kaggle's place: check the network's proxy"),
    (r"does not match expected size", "the zip's length is not what Kaggle announced: run again"),
    (r"No space left", "the disk is full: make room, or name another with FAKEFACE_DATA"),
    (
        r"resolve|Max retries|Connection|Remote end closed|IncompleteRead|timed out",
        "Kaggle can't be reached, or the connection broke: check the network and run again",
    ),
)


def download(room_for_arrays: int) -> None:
    """Fetch the zip unless it is there; an interrupted transfer resumes where it stopped.

    Credentials, if the client needs any, are its own affair (a token in the environment or in its
    file): they never pass through this package.

    Args:
        room_for_arrays: bytes that will be written next to the zip; checked before the transfer.

    Raises:
        StudyError: no network, no login, no such dataset, no zip, or no room on the disk.
    """
    archive = kaggle_location()
    if archive.exists():
        return
    arriving = archive.parent / "arriving" / archive.name  # only a whole zip moves on from here
    arriving.parent.mkdir(parents=True, exist_ok=True)
    here = _bytes_here(arriving)
    print(
        f"the zip of {DATASET} needs {human_size(ZIP_BYTES)} ({human_size(here)} of them are "
        f"here), the prepared arrays need {human_size(room_for_arrays)}; nothing is unpacked"
    )
    needed = max(ZIP_BYTES - here, 0) + room_for_arrays
    require_free_space(archive.parent, needed, "the zip and the prepared arrays")
    output, code = _run_client(arriving)
    if code or not arriving.is_file():
        raise StudyError(_reason(output, arriving))
    if not zipfile.is_zipfile(arriving):
        refused = arriving.replace(arriving.with_name("refused"))
        raise StudyError(
            f"what Kaggle sent is not a whole zip ({human_size(refused.stat().st_size)}, kept as "
            f"{shown(refused)}): run again, {_by_hand()}"
        )
    arriving.replace(archive)


def _bytes_here(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _run_client(arriving: Path) -> tuple[str, int]:
    """Run the client under a progress bar; return its output and exit code."""
    words = ["datasets", "download", DATASET, "-q", "-p", str(arriving.parent)]
    command = [sys.executable, "-c", CLIENT, *words]
    bar = progress(ZIP_BYTES, "downloading", "B", _bytes_here(arriving))
    with bar, tempfile.TemporaryFile("w+") as log:
        client = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log)
        try:
            while client.poll() is None:
                bar.total = _announced(arriving) or bar.total
                bar.update(_bytes_here(arriving) - bar.n)
                time.sleep(0.2)
        finally:
            client.communicate()  # closes its input, which ends it if it is still running
        here = _bytes_here(arriving)
        bar.total = bar.total if client.returncode else here
        bar.update(here - bar.n)
        log.seek(0)
        return log.read(), client.returncode


def _announced(arriving: Path) -> int | None:
    """The zip's length that Kaggle announced, which the client notes while it downloads."""
    try:
        note = arriving.with_name(f"{arriving.name}.kaggle-partial").read_text()
        return int(json.loads(note)["size"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _by_hand() -> str:
    return (
        f"or fetch the zip of {DATASET} in a browser and put it at {shown(kaggle_location())}, or "
        "give its path as DATA"
    )


def _reason(output: str, arriving: Path) -> str:
    """One sentence for what the client printed."""
    last = (output.strip().splitlines() or ["no message"])[-1]
    unknown = f"the download from Kaggle failed ({last}): run again"
    reason = next((reason for words, reason in REASONS if re.search(words, output)), unknown)
    kept = (
        f" [{human_size(here)} have arrived and are kept]"
        if (here := _bytes_here(arriving))
        else ""
    )
    return f"{reason}, {_by_hand()}{kept}"


def check_counts(images: list[Image], where: Path) -> None:
    """Compare the archive's images with the paper's counts.

    Raises:
        StudyError: a split or class has another number of images.
    """
    for split in SPLITS:
        for label, kind in enumerate(CLASSES):
            count = sum(image.split == split and image.label == label for image in images)
            if count != PAPER_COUNTS[split]:
                raise StudyError(
                    f"{shown(where)} has {count:,} images in {split}/{kind}, not the paper's "
                    f"{PAPER_COUNTS[split]:,}: delete it and run again, or give it as DATA, which "
                    "takes other counts and gives no verdict"
                )
