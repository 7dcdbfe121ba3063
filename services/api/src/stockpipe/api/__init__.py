"""The warehouse over HTTP, and a dashboard: reads only."""
