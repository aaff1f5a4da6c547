"""Starting a run from exported ONNX weights, such as the shipped ones, without their checkpoint.

Exported graphs keep the names of the network's weights, but a runtime's optimiser may have folded
batch normalisation into the convolution or linear layer before it. A folded layer is opened again:
one pass over real images measures what it gives, and the normalisation after it is set so that it
gives what the exported graph gave, in training as in evaluation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from faceflow_ml.errors import FaceFlowError
from faceflow_ml.models.iresnet import added_blocks

_SUFFIX_FP16 = "_fp16"
_PREFIX = "model."  # of the network inside the exported graph


def load_onnx_weights(model: nn.Module, file: Path, images: Iterable[Tensor]) -> None:
    """Copy the weights of an exported graph into the network it was made of.

    Args:
        model: the network, of the same architecture and input size; residual blocks that it has
            more (`faceflow_ml.models.iresnet.added_blocks`) stay as they are.
        file: ONNX written by `faceflow-ml export` in single or half precision.
        images: batches ``(n, 3, h, w)`` RGB in [0, 255] like those of training. A few hundred
            images are enough; they are read only where normalisation was folded.

    Raises:
        FaceFlowError: the file is unreadable, quantized, or holds another network.
    """
    layers = _read_layers(file)
    added = added_blocks(model, (name.removeprefix(_PREFIX) for name in layers))
    biases: dict[nn.Module, Tensor] = {}
    folded: list[nn.Module] = []
    with torch.no_grad():
        for name, module in model.named_modules():
            if not isinstance(module, nn.Conv2d | nn.Linear | nn.modules.batchnorm._BatchNorm):
                continue
            if name.startswith(added):
                continue
            tensors = layers.get(f"{_PREFIX}{name}.weight")
            if tensors is None:
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    folded.append(module)
                    continue
                raise FaceFlowError(f"{file}: no weights of {name}: another network?")
            slots = _slots(module)
            for slot, tensor in zip(slots, tensors, strict=False):
                if slot.shape != tensor.shape:
                    raise FaceFlowError(
                        f"{file}: {name} is {tuple(tensor.shape)} there and "
                        f"{tuple(slot.shape)} here: another network or input size"
                    )
                slot.copy_(tensor)
            if len(tensors) > len(slots):
                biases[module] = tensors[-1]
    if folded:
        _unfold(model, folded, biases, images)


def _slots(module: nn.Module) -> list[Tensor]:
    """The tensors of a layer, in the order of its ONNX operator's inputs."""
    names = ("weight", "bias", "running_mean", "running_var")
    return [value for name in names if (value := getattr(module, name, None)) is not None]


def _read_layers(file: Path) -> Mapping[str, list[Tensor]]:
    """Constant inputs of each operator with weights, by the name of its weight."""
    import onnx
    from onnx import numpy_helper

    try:
        graph = onnx.load(str(file)).graph
    except FileNotFoundError as error:
        raise FaceFlowError(f"{file}: no such file") from error
    except Exception as error:  # protobuf's errors have no common class
        raise FaceFlowError(f"{file}: not a readable ONNX file: {error}") from error
    if any(node.op_type == "DequantizeLinear" for node in graph.node):
        raise FaceFlowError(
            f"{file}: its weights are quantized; start from an export in single or half precision, "
            "such as embedder-fp16.onnx beside the shipped one"
        )
    constants = {tensor.name.removesuffix(_SUFFIX_FP16): tensor for tensor in graph.initializer}
    layers = {}
    for node in graph.node:
        if node.op_type in ("Conv", "Gemm", "MatMul", "BatchNormalization"):
            arrays = [
                numpy_helper.to_array(constants[name]) for name in node.input if name in constants
            ]
            if len(node.input) > 1:
                layers[node.input[1]] = [torch.tensor(array).float() for array in arrays]
    return layers


def _unfold(
    model: nn.Module,
    folded: Sequence[nn.Module],
    biases: Mapping[nn.Module, Tensor],
    images: Iterable[Tensor],
) -> None:
    """Give each folded normalisation the statistics of its input, and the affine that undoes them.

    ``biases`` are what folding made of them, by the layer before, where that has no bias.
    """
    handles: list[RemovableHandle] = []
    sums: dict[nn.Module, list[Tensor]] = {}
    producer: dict[int, tuple[nn.Module, Tensor]] = {}

    def after_layer(module: nn.Module, _: object, output: Tensor) -> None:
        producer[id(output)] = (module, output)  # kept, so that no other tensor takes the id

    def before_norm(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        norm = cast(nn.BatchNorm2d, module)
        (x,) = inputs
        layer, _ = producer.pop(id(x))
        if module not in sums:
            # An identity but for the folded bias: the layers after it see what they always saw.
            norm.running_mean.zero_()  # type: ignore[union-attr]
            norm.running_var.fill_(1.0)  # type: ignore[union-attr]
            norm.weight.fill_((1.0 + norm.eps) ** 0.5)
            if layer in biases:
                norm.bias.copy_(biases[layer])
            else:
                norm.bias.zero_()  # the layer's own bias holds it
            sums[module] = [torch.zeros(()), torch.zeros_like(norm.bias), norm.bias * 0]
        axes = [axis for axis in range(x.ndim) if axis != 1]
        sums[module][0] += x.numel() / x.shape[1]
        sums[module][1] += x.sum(axes)
        sums[module][2] += x.square().sum(axes)

    layers = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    handles += [layer.register_forward_hook(after_layer) for layer in layers]
    handles += [norm.register_forward_pre_hook(before_norm) for norm in folded]
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            for batch in images:
                producer.clear()
                model(batch)
            for module, (count, total, squares) in sums.items():
                norm = cast(nn.BatchNorm2d, module)
                mean = total / count
                variance = (squares / count - mean.square()).clamp(min=0.0)
                norm.running_mean.copy_(mean)  # type: ignore[union-attr]
                norm.running_var.copy_(variance)  # type: ignore[union-attr]
                norm.weight.copy_((variance + norm.eps).sqrt())
                norm.bias.add_(mean)
    finally:
        for handle in handles:
            handle.remove()
        model.train(training)
