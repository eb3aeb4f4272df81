"""Text that is shown: strangers' words, made safe, and names that are nearly right."""
