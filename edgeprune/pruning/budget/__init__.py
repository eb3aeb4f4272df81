"""How much of the sparsity each layer takes, by what pruning it costs and saves."""
