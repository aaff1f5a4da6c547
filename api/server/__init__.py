"""What surrounds the routes: problem documents, logs, metrics, limits, headers, the web client."""
