"""OpenLineage events of what the pipeline committed."""
