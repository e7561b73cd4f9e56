"""A provider for tests and benchmarks: an OpenAI-compatible server on loopback, in a process of its own, that does as it is told."""
