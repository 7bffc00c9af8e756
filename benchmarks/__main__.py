"""`make bench`, and with GPU=1 the paper's profile on a GPU."""

import sys

from fakeface_utils.common.errors import StudyError
from fakeface_utils.common.paths import shown

try:
    if "--gpu" in sys.argv:
        from benchmarks.gpu import bench_gpu

        path = bench_gpu()
    else:
        from benchmarks.processor import bench

        path = bench()
except StudyError as error:
    sys.exit(f"error: {error}")
print(f"written: {shown(path)}")
