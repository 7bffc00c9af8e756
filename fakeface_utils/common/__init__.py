"""Plumbing that knows nothing of this study: errors, paths, files, digests, locks, the machine.

Reads the environment and the disk. Writes what it is given, whole or not at all.
"""
