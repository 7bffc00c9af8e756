#!/usr/bin/env bash
# `python -m benchmarks --gpu` on a machine with a GPU that has JAX, NumPy, SciPy, pandas, Pillow,
# joblib, h5py and tqdm, but no Keras and no network. The numbers go to results/bench/.
#
# First, where there is a network, for the Python version of that machine (here 3.12):
#   pip download --no-deps --only-binary=:all: --python-version 3.12 -d wheels \
#     keras namex optree imagehash filelock pydantic annotated-types typing-inspection pydantic-core==VERSION
# where VERSION is the one that this pydantic needs. Then, on that machine, in the repository:
#   bash benchmarks/gpu.sh wheels
set -e
site=$(mktemp -d)
python3 -m pip install --quiet --no-index --no-deps --target "$site" "$1"/*.whl
KERAS_BACKEND=jax PYTHONPATH="$PWD:$site" python3 -m benchmarks --gpu
