"""Whether models run on a GPU here, which no list of what was installed tells."""

from __future__ import annotations

import logging
from functools import cache
from typing import Literal

from faceflow_ml.inference.session import Device

_CUDA = "CUDAExecutionProvider"
_FATAL = 4
# The smallest model: y = Identity(x), one float, opset 13.
_IDENTITY = bytes.fromhex(
    "08083a370a100a017812017922084964656e74697479120167"
    "5a0f0a0178120a0a08080112040a020801620f0a0179120a0a08080112040a020801"
    "42040a00100d"
)
_log = logging.getLogger(__name__)


def resolve_device(device: Device) -> Literal["cpu", "cuda"]:
    """What models compute on that are loaded for ``device``.

    "cuda" stays, so that loading fails where there is no GPU; "auto" becomes what there is.
    """
    if device == "auto":
        return "cuda" if _cuda_starts() else "cpu"
    return device


@cache
def _cuda_starts() -> bool:
    """A runtime that was built for CUDA lists it on every machine; a session tries to start it."""
    import onnxruntime as ort

    if _CUDA not in ort.get_available_providers():
        return False
    options = ort.SessionOptions()
    options.log_severity_level = _FATAL
    session = ort.InferenceSession(_IDENTITY, options, providers=[_CUDA, "CPUExecutionProvider"])
    if _CUDA in session.get_providers():
        return True
    _log.warning("CUDA does not start here (no GPU, driver or libraries?): the CPU computes")
    return False
