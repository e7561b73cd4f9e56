"""The commands of `python -m evals`, a module each, whose `add` registers it."""
