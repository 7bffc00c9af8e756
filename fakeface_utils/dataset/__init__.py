"""Images: listed, fetched or drawn, decoded once into arrays, and audited; their spectra.

Reads a folder, a zip, Kaggle, or nothing (the demo). Writes `data/prepared/`: an array and a
manifest for each split, `dataset.json`, `audit.json`, `duplicates.csv` and `spectra/`.
"""
