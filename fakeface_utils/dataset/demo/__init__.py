"""The demo's images: portraits drawn from a seed, as a camera or a generator would deliver them.

Reads nothing. Writes JPEG files in the Kaggle archive's layout under `data/`.
"""
