"""The ``group`` job: everyone in a folder of photos, found, grouped and shown."""
