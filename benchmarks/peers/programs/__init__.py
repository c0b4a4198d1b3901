"""The common job, once per system, in one file each; and floors: parts of it alone."""
