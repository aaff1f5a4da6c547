"""``python -m faceflow_ml`` is ``faceflow-ml``."""

from faceflow_ml.cli import main

if __name__ == "__main__":
    main()
