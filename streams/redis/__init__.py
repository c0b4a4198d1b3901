"""Everything that writes to Redis: the scripts and what they take; and connecting."""
