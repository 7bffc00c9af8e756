"""A reproduction of Perisic & Jovanovic (Sinteza 2022), run by numbered notebooks.

Data flows one way and through files: images, prepared arrays, histories and predictions, Table 1,
figures, report. Nothing here imports TensorFlow: the models are Keras 3 on any of its backends.
"""

import os

# TensorFlow looks for CUDA on every machine and complains at length where there is none; a GPU
# that Keras can't use is reported by `training.check_device`.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
