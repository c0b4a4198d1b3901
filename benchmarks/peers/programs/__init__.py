"""The common job, once per system, in one file each."""
