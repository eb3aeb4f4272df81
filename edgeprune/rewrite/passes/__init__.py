"""Small exact changes to a graph, one file each."""
