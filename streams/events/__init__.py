"""Events in, engagements out: decoding, refusal, duplicates, and the packed record between the two agents."""
