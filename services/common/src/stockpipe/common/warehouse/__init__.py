"""The read side of the warehouse, one module a dialect; the loader is the only writer."""
