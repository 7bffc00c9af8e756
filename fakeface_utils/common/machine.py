"""The machine: its CPU and GPUs, installed versions, processes that end with their parent."""

import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from .errors import StudyError
from .paths import NOTEBOOKS, PACKAGE, ROOT


def gpus(field: str = "name") -> list[str]:
    """Query nvidia-smi for one field of every GPU; [] without a driver."""
    if not shutil.which("nvidia-smi"):
        return []
    command = ["nvidia-smi", f"--query-gpu={field}", "--format=csv,noheader"]
    answer = subprocess.run(command, capture_output=True, text=True)
    return answer.stdout.strip().splitlines() if answer.returncode == 0 else []


def hardware() -> dict[str, Any]:
    """The CPU's name, the number of cores and the GPUs."""
    processor = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        processor = names[0].split(":", 1)[1].strip() if names else processor
    return {"processor": processor, "cores": os.cpu_count(), "gpus": gpus()}


def hardware_name() -> str:
    """What a machine's measurements are filed under: 'nvidia-h100-80gb-hbm3', 'amd-epyc-2-cores'.

    A GPU's name where there is one (with their number, where there are several), else the
    processor's with its cores.
    """
    machine = hardware()
    found = machine["gpus"]
    if found:
        name = found[0] if len(found) == 1 else f"{len(found)} {found[0]}"
    else:
        name = f"{machine['processor']} {machine['cores']} cores"
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


# Put before the code of a child process whose standard input is a pipe: it ends when we do, however
# that is. Two writers must never be at the same files.
ENDS_WITH_PARENT = """
import os, threading
threading.Thread(target=lambda: (os.read(0, 1), os._exit(1)), daemon=True).start()
"""
PACKAGES = ("tensorflow", "keras", "jax", "numpy", "pillow", "pandas", "scikit-learn", "scipy")


def ask_for_determinism() -> None:
    """Set what the backends read before their first operation.

    TensorFlow reads TF_DETERMINISTIC_OPS, and Keras then does without XLA; JAX hands XLA its flags.

    Raises:
        StudyError: Keras was imported without it, and may have computed something.
    """
    flag, flags = "--xla_gpu_deterministic_ops=true", os.environ.get("XLA_FLAGS", "")
    if os.environ.get("TF_DETERMINISTIC_OPS") == "1" and flag in flags:
        return
    if "keras" in sys.modules:
        raise StudyError(
            "deterministic must be set before Keras is imported: restart the kernel and run the "
            "notebook again"
        )
    os.environ["TF_DETERMINISTIC_OPS"] = "1"
    os.environ["XLA_FLAGS"] = f"{flags} {flag}".strip()


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide results; Keras' backend where it runs."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    if keras := sys.modules.get("keras"):
        found["keras backend"] = keras.backend.backend()
    return found


def git_revision() -> str:
    """The commit the code stands at, '-modified' where code was changed since; '' without git."""
    git = ["git", "-C", str(ROOT)]
    code = [PACKAGE, NOTEBOOKS, ROOT / "requirements.lock"]
    try:
        head = subprocess.run(
            [*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True
        )
        changed = subprocess.run(
            [*git, "status", "--porcelain", "--", *map(str, code)], capture_output=True
        )
    except OSError:
        return ""
    return (
        head.stdout.strip() + ("-modified" if changed.stdout else "")
        if head.returncode == 0
        else ""
    )
