"""`make bench`: measure this machine and say where the numbers lie."""

import sys

from benchmarks.common import written
from fakeface_utils.util import StudyError, shown


def main() -> None:
    """Run the benchmark; a person's mistake is one sentence and exit code 1."""
    from benchmarks import gpu, processor

    try:
        rows = gpu.measure() if "--gpu" in sys.argv else processor.measure()
        print(f"written: {shown(written(rows))}")
    except StudyError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
