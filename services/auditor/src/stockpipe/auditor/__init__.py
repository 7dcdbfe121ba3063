"""Proves that nothing was lost or counted twice, and traces a row to its source."""
