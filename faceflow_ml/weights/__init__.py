"""Shipped models as ONNX, with ``manifest.json`` (read by ``faceflow_ml.inference.pretrained``)."""
