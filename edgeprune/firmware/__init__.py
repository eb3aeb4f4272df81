"""The host's side of our microcontroller engine: from an int8 network to a plan that it runs."""
