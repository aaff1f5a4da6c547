"""Inference on ONNX Runtime: reading photos, detection, alignment, embedding, quality."""
