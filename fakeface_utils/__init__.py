"""A reproduction of Perisic & Jovanovic (Sinteza 2022), run by numbered notebooks.

Data flows one way and through files: images, prepared arrays, histories and predictions, Table 1,
figures, report. Nothing here imports TensorFlow: the models are Keras 3 on TensorFlow or JAX.
"""

import os

# TensorFlow looks for CUDA on every machine and complains at length where there is none; a GPU
# that Keras can't use is reported by `training.start`.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# oneDNN's kernels, which TensorFlow takes by default on some processors only. On one where it
# doesn't (an AMD EPYC without AVX-512) the custom CNN trained 1.3 times as fast with them (medians
# of 6 alternated runs). They must be asked for before TensorFlow is imported.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
