"""Handlers of the Lambda functions, and the task that groups the faces of very large albums."""
