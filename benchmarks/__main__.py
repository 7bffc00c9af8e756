"""`make bench`: measure this machine and say where the numbers lie."""

import argparse
import sys

from fakeface_utils.common.errors import StudyError
from fakeface_utils.common.paths import shown


def main() -> None:
    """Run the benchmark; a person's mistake is one sentence and exit code 1."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--gpu", action="store_true", help="the paper's profile on a GPU")
    try:
        if parser.parse_args().gpu:
            from benchmarks.gpu import bench_gpu

            path = bench_gpu()
        else:
            from benchmarks.processor import bench

            path = bench()
    except StudyError as error:
        sys.exit(f"error: {error}")
    print(f"written: {shown(path)}")


if __name__ == "__main__":
    main()
