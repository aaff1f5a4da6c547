"""From a checkpoint to files that inference loads: ONNX, TorchScript, and proof that they agree."""
