"""`python -m app doctor`: look at all that a server needs, and say what is wrong with it. It changes nothing."""
