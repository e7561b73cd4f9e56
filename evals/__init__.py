"""Know whether a change made the agent better, and stop it when it did not: `python -m evals`."""
