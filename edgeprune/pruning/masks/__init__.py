"""Masks: which weights stay, and how that is kept while a model is trained."""
