"""Jobs that survive the process: the durable runner, and the steps of ingestion."""
