"""The whole chain of notebooks with its status line, estimate and cluster; and `predict`.

Reads the plan, the notebooks and a person's own images. Writes the executed notebooks and their
logs, and tables of answers.
"""
