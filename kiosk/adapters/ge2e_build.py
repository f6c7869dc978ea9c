"""Turns Resemblyzer's `pretrained.pt` into `ge2e.onnx`, once, on the box, without torch and without trusting a pickle.

The file is torch's format of before 1.6: a row of pickles, then the raw numbers.

    pickle   0x1950a86a20f9469cfc6c                      what torch writes first
    pickle   1001                                        version of the format
    pickle   {"little_endian": True, ...}                the machine that wrote it
    pickle   {"model_state": {name: tensor}, ...}        each tensor points into a numbered storage
    pickle   ["9476…", …]                                the storages in the order in which they follow
    per key  int64 number of elements, then so many little-endian float32

A pickle can call anything it can name, so names are looked up in a list of three and nothing else is ever found.

The network (Wan et al. 2018, "Generalized end-to-end loss"): 160 mel frames of 40 bands → 3 LSTM layers of 256 → the
last hidden state → linear 256 → ReLU → length 1.
"""

from __future__ import annotations

import collections
import pickle
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from kiosk.values import OperatorError

SOURCE, BUILT = "pretrained.pt", "ge2e.onnx"
BANDS, HIDDEN, LAYERS = 40, 256, 3
#: frames of one partial utterance: 1.6 s
PARTIAL = 160

_MAGIC, _VERSION = 0x1950A86A20F9469CFC6C, 1001
Floats = NDArray[np.float32]


def build(folder: Path, progress: Callable[[str], None]) -> None:
    """Write `folder/ge2e.onnx` from `folder/pretrained.pt`; the same bytes every time.

    Raises:
        OperatorError: `pretrained.pt` is not the file it should be.
    """
    import onnx

    source = folder / SOURCE
    progress(f"reading {SOURCE}")
    try:
        with source.open("rb") as f:
            weights = read_state(f)
        model = graph(weights)
    except (pickle.UnpicklingError, KeyError, IndexError, EOFError, ValueError, struct.error) as e:
        raise OperatorError(
            f"is not Resemblyzer's encoder: {e}", where=str(source), remedy="Run: kiosk models fetch ge2e"
        ) from e
    progress(f"writing {BUILT}")
    part = folder / (BUILT + ".part")
    onnx.save(model, str(part))
    part.replace(folder / BUILT)


# --- torch's old file format -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Tensor:
    """Where a tensor's numbers are; they stand behind the pickles and so are not read yet."""

    storage: str
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


def _rebuild(storage: str, offset: int, shape: tuple[int, ...], stride: tuple[int, ...], *_: object) -> _Tensor:
    return _Tensor(storage, offset, shape, stride)


class _FloatStorage:
    """Stands for torch's class of that name, which is only mentioned, never made."""


class _Reader(pickle.Unpickler):
    _ALLOWED: dict[tuple[str, str], Any] = {  # noqa: RUF012 - a constant
        ("collections", "OrderedDict"): collections.OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2"): _rebuild,
        ("torch", "FloatStorage"): _FloatStorage,
    }

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self._ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which has no business in it") from None

    def persistent_load(self, pid: Any) -> str:
        kind, of, key, _place, _elements, view = pid
        if kind != "storage" or of is not _FloatStorage or view is not None:
            raise pickle.UnpicklingError(f"an unknown reference {pid!r}")
        return str(key)


def read_state(f: BinaryIO) -> dict[str, Floats]:
    """The arrays of `model_state` by name, float32.

    Raises:
        pickle.UnpicklingError, ValueError, KeyError, EOFError, struct.error: it is another file, or a damaged one.
    """
    if _Reader(f).load() != _MAGIC or _Reader(f).load() != _VERSION:
        raise ValueError("it is not in torch's format")
    if _Reader(f).load().get("little_endian") is not True:
        raise ValueError("its numbers are big-endian")
    state: dict[str, _Tensor] = _Reader(f).load()["model_state"]
    storages: dict[str, Floats] = {}
    for key in _Reader(f).load():
        (elements,) = struct.unpack("<q", f.read(8))
        raw = f.read(4 * elements)
        storages[key] = np.frombuffer(raw, "<f4", count=elements)
    return {name: _array(t, storages[t.storage]) for name, t in state.items()}


def _array(tensor: _Tensor, storage: Floats) -> Floats:
    size = int(np.prod(tensor.shape, dtype=np.int64))
    rows = tuple(int(np.prod(tensor.shape[i + 1 :], dtype=np.int64)) for i in range(len(tensor.shape)))
    if tensor.stride != rows or not 0 <= tensor.offset <= storage.size - size:
        raise ValueError("a tensor does not lie in its storage as it should")
    return storage[tensor.offset : tensor.offset + size].reshape(tensor.shape)


# --- the graph -------------------------------------------------------------------------------------------------------


def graph(weights: dict[str, Floats]) -> Any:
    """The ONNX model: input `mels` [n, 160, 40] (power mel, not logarithmic), output `voices` [n, 256] of length 1.

    Raises:
        KeyError, ValueError: a weight is missing or of another shape.
    """
    from onnx import TensorProto, checker, helper, numpy_helper

    constants, nodes = [], []

    def constant(name: str, value: NDArray[Any], shape: tuple[int, ...]) -> str:
        if value.shape != shape:
            raise ValueError(f"{name} has shape {value.shape}, not {shape}")
        constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(kind: str, inputs: list[str], *outputs: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(kind, inputs, list(outputs), name=outputs[-1], **attributes))
        return outputs[-1]

    x = node("Transpose", ["mels"], "x0", perm=[1, 0, 2])  # ONNX wants time first
    one = constant("axis1", np.array([1], np.int64), (1,))
    for layer in range(LAYERS):
        w, r = (_gates(weights[f"lstm.weight_{kind}_l{layer}"]) for kind in ("ih", "hh"))
        b = np.concatenate([_gates(weights[f"lstm.bias_{kind}_l{layer}"]) for kind in ("ih", "hh")])
        inputs = [
            x,
            constant(f"w{layer}", w[None], (1, 4 * HIDDEN, HIDDEN if layer else BANDS)),
            constant(f"r{layer}", r[None], (1, 4 * HIDDEN, HIDDEN)),
            constant(f"b{layer}", b[None], (1, 8 * HIDDEN)),
        ]
        node("LSTM", inputs, f"all{layer}", f"last{layer}", hidden_size=HIDDEN)
        x = node("Squeeze", [f"all{layer}", one], f"x{layer + 1}")
    zero = constant("axis0", np.array([0], np.int64), (1,))
    last = node("Squeeze", [f"last{LAYERS - 1}", zero], "hidden")
    weight = constant("linear_w", weights["linear.weight"], (HIDDEN, HIDDEN))
    bias = constant("linear_b", weights["linear.bias"], (HIDDEN,))
    raw = node("Relu", [node("Gemm", [last, weight, bias], "linear", transB=1)], "raw")
    length = node("ReduceL2", [raw], "length", axes=[1], keepdims=1)
    least = constant("least", np.array([1e-9], np.float32), (1,))  # silence may give a vector of zeros
    node("Div", [raw, node("Max", [length, least], "divisor")], "voices")

    model = helper.make_model(
        helper.make_graph(
            nodes,
            "ge2e",
            [helper.make_tensor_value_info("mels", TensorProto.FLOAT, ["n", PARTIAL, BANDS])],
            [helper.make_tensor_value_info("voices", TensorProto.FLOAT, ["n", HIDDEN])],
            constants,
        ),
        producer_name="kiosk",
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    checker.check_model(model)
    return model


def _gates(stacked: Floats) -> Floats:
    """From torch's order of the gates (input, forget, cell, output) to ONNX's (input, output, forget, cell)."""
    i, f, c, o = np.split(stacked, 4)
    return np.concatenate([i, o, f, c])
