"""What a study is: settings, names, the paper's facts, the files it leaves, its steps in order.

Reads a run's record and the files of all steps. Writes `study.json` and the steps' markers;
computes nothing.
"""
