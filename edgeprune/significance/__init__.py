"""Whether figures of two sides differ by more than chance; numbers in, numbers out."""
