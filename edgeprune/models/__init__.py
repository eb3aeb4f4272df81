"""Models as files and as objects, one folder a format."""
