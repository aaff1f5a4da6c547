"""What is not collected: Locust's files are Locust's, and patch whoever imports them."""

collect_ignore = ["locustfile.py", "uploads_locustfile.py"]
