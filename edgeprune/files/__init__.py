"""Files and folders: read with care, written whole, locked while they are in use."""
