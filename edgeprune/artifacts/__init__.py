"""What one stage hands to the next."""
