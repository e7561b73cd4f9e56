"""What answers: a server, or the graph in this process."""
