"""What is not collected here."""

# Run by Locust, not by pytest: importing them replaces sockets and threads by gevent's.
collect_ignore = ["locustfile.py", "uploads_locustfile.py"]
