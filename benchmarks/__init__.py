"""Benchmarks: commands that measure, on the machine at hand, what the documentation claims."""
