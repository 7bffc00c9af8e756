"""Whatever happens to a study, it ends as a clean run does, or is refused: see sequences.py."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
@pytest.mark.parametrize(("count", "networks"), [(300, []), (10, ["keras"])])
def test_random_sequences_end_as_a_clean_run_does_or_are_refused(count, networks):
    script = str(Path(__file__).with_name("sequences.py"))
    command = [sys.executable, script, "0", str(count), *networks]
    answer = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    failed = [line for line in answer.stdout.splitlines() if line.startswith("FAILED")]
    assert not failed
    assert answer.returncode == 0
    assert answer.stdout.count(": equal") == count
