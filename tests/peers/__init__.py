"""The real programs that scenarios and benchmarks run: each on ports and folders of its own, gone at the end."""
