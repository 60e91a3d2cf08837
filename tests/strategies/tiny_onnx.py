"""An ONNX graph of one layer, written byte by byte: reading one is tested without the library that writes it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_FLOAT = 1  # TensorProto.FLOAT


def tanh_layer(
    weight: NDArray[np.float32],
    bias: NDArray[np.float32],
    *,
    inputs: int | None = None,
    output: str = "action",
) -> bytes:
    """Return the graph ``tanh(observation @ weight.T + bias)``; `inputs` is what it says to take."""
    outputs, width = weight.shape
    attribute = _text(1, "transB") + _number(3, 1) + _number(20, 2)
    gemm = _text(1, "observation") + _text(1, "w") + _text(1, "b") + _text(2, "x") + _text(4, "Gemm")
    nodes = _part(1, gemm + _part(5, attribute)) + _part(
        1, _text(1, "x") + _text(2, output) + _text(4, "Tanh")
    )
    tensors = _part(5, _tensor("w", weight)) + _part(5, _tensor("b", bias))
    ends = _part(11, _value("observation", width if inputs is None else inputs)) + _part(
        12, _value(output, outputs)
    )
    graph = nodes + _text(2, "g") + tensors + ends
    return _number(1, 8) + _part(7, graph) + _part(8, _text(1, "") + _number(2, 17))


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found, number])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _part(field: int, data: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _text(field: int, text: str) -> bytes:
    return _part(field, text.encode())


def _tensor(name: str, values: NDArray[np.float32]) -> bytes:
    dims = b"".join(_number(1, size) for size in values.shape)
    return dims + _number(2, _FLOAT) + _text(8, name) + _part(9, values.astype("<f4").tobytes())


def _value(name: str, width: int) -> bytes:
    batch, size = _part(1, _text(2, "batch")), _part(1, _number(1, width))
    shape = _part(2, batch + size)
    return _text(1, name) + _part(2, _part(1, _number(1, _FLOAT) + shape))
