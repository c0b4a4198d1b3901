"""What intake does with a batch, free of I/O: take, weigh, fan out."""
