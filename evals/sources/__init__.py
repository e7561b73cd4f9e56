"""Where cases come from: files, what users have said here, and Langfuse."""
