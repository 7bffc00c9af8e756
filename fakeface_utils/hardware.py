"""The machine's processor and GPUs, as they call themselves."""

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any


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
