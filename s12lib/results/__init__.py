"""What was measured: one JSON file a run, and the tables made from them."""
