"""What is heard of each part, and which metrics it moves."""
