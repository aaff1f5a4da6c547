"""The rules of the application; nothing here knows of HTTP, SQL or files."""
