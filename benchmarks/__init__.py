"""The project's figures, measured beside their targets: `python -m benchmarks`. See docs/performance.md."""
