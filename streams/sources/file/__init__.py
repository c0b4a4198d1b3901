"""Files of a network's events: any columns by a mapping, and the layouts of some well-known data sets."""
