"""What to do with a model for a board, chosen by predicted cost."""
