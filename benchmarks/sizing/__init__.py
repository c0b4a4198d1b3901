"""From the lines of `benchmarks.scaling` to `docs/sizing.md` and its plots: every number on that page is from a run."""
