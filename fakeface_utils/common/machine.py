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
    """The file name of a machine's measurements: 'nvidia-h100-80gb-hbm3', 'amd-epyc-2-cores'.

    The GPU's name if there is one (after their number if there are several), else the CPU's with
    its number of cores.
    """
    machine = hardware()
    names = machine["gpus"]
    if names:
        name = names[0] if len(names) == 1 else f"{len(names)} {names[0]}"
    else:
        name = f"{machine['processor']} {machine['cores']} cores"
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


# Put before the code of a child process whose standard input is a pipe: the child ends when we do,
# however we end. Two processes must never write the same files.
ENDS_WITH_PARENT = """
import os, threading
threading.Thread(target=lambda: (os.read(0, 1), os._exit(1)), daemon=True).start()
"""
PACKAGES = (
    "tensorflow", "tensorflow-cpu", "keras", "jax", "numpy", "pillow", "pandas", "scikit-learn",
    "scipy",
)  # fmt: skip


def ask_for_determinism() -> None:
    """Set the variables that make the backends deterministic, which they read when they start.

    TensorFlow reads TF_DETERMINISTIC_OPS, and Keras then does without XLA; JAX passes XLA_FLAGS on.

    Raises:
        StudyError: Keras was imported without them, and may have computed something.
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
    installed = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            name = package.removesuffix("-cpu")  # the same TensorFlow without its GPU parts
            installed[name] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    if keras := sys.modules.get("keras"):
        installed["keras backend"] = keras.backend.backend()
    return installed


def git_revision() -> str:
    """The commit of the code, with '-modified' if the code has changed since; '' without git."""
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
