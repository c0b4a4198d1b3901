"""What is held of one account, wherever it lies: what `forget --export` writes."""
