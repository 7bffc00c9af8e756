"""The machine: its processor and GPUs, as they call themselves, and how fast they were measured."""

import json
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from .paths import results_dir

# Images a second that the custom CNN trains on ('training'), and that go through VGG16's frozen
# base ('forward'), by the pixels a side of an image.
Speeds = dict[str, dict[int, float]]
TWO_CORES: Speeds = {"training": {64: 45, 224: 4}, "forward": {64: 50, 224: 4}}


def gpus(field: str = "name") -> list[str]:
    """What the NVIDIA driver says of each GPU: its name, or another of nvidia-smi's fields.

    Empty without a driver or a GPU.
    """
    if not shutil.which("nvidia-smi"):
        return []
    command = ["nvidia-smi", f"--query-gpu={field}", "--format=csv,noheader"]
    answer = subprocess.run(command, capture_output=True, text=True)
    return answer.stdout.strip().splitlines() if answer.returncode == 0 else []


def hardware() -> dict[str, Any]:
    """The processor's name, the number of cores and the GPUs."""
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


def bench_json() -> Path:
    """Where this machine's measurements are kept."""
    return results_dir("bench") / f"{hardware_name()}.json"


def speeds() -> tuple[Speeds, bool]:
    """How fast this machine is, and whether that was measured on it.

    Without measurements: two cores' speeds times half the number of cores; nothing for a GPU.
    """
    try:
        found = json.loads(bench_json().read_text(encoding="utf-8"))["speeds"]
        return {work: {int(s): v for s, v in by.items()} for work, by in found.items()}, True
    except (OSError, ValueError, KeyError):
        pairs = (os.cpu_count() or 1) / 2
    guess = {work: {s: v * pairs for s, v in by.items()} for work, by in TWO_CORES.items()}
    return {} if gpus() else guess, False
