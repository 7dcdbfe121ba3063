"""The whole pipeline on one machine: a real broker and the services as processes."""
