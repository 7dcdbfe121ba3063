"""Where quotes and bars come from."""
