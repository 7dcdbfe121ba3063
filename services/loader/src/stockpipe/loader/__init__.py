"""Processed lake into the warehouse."""
