"""XNNPACK's decisions, step by step: what it takes, what it fuses, and what runs sparse."""
