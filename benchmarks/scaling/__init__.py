"""What one process more brings, what is full first, and how many of each part a number of users takes."""
