"""Traces of runs, for Langfuse and whatever takes OpenTelemetry's protocol.

While a run is made its spans are plain values; they become OTLP in a thread, once they are over. There is no tracer provider, neither of
our own nor the global one, and no library of traces is imported before there is something to send.
"""
