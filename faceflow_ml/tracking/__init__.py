"""MLflow: which store, and the models that it registers."""
