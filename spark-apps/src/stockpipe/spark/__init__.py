"""Spark jobs of the pipeline: pure transforms, readers and writers, thin jobs."""
