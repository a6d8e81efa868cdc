"""Training a recipe: its run folder, checkpoints, callbacks, and what a result says of where it comes from."""
