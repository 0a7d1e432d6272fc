"""Batches: up to 10,000 identifiers and code texts judged as a job, with progress and results to download."""
