"""The whole chain: notebooks in order by papermill, the status line, the estimate, the cluster.

Reads the plan and the notebooks. Writes the executed notebooks and their logs.
"""
