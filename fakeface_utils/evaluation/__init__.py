"""Numbers: metrics, intervals, verdicts, Table 1, the paper's claims, the open questions' effect.

Reads predictions, histories, the audit, spectra and maps. Writes `table1.csv`, and a table or
JSON for each thing that is measured beyond the paper.
"""
