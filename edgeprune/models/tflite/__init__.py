"""TFLite files: reading, checking, changing and writing their graphs."""
