"""Numbers: metrics, intervals, verdicts, Table 1, the paper's claims, the open questions' effect.

Reads predictions, histories and the audit. Writes `table1.csv` and `ablations.csv`.
"""
