"""Energy out of a meter's record; numbers in, numbers out."""
