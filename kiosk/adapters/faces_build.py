"""Makes the two face models fit insightface's model zoo, once, after the fetch.

insightface recognises a detector by its nine outputs (three strides × score, box, points) and reads it the way SCRFD
models are read. YuNet finds faces just as well in a tenth of the size, but speaks another dialect; so the translation
is written into the graph itself, and nothing has to be patched at run time:

    SCRFD                                       YuNet
    picture in RGB, (v - 127.5) / 128           picture in BGR, 0…255
    one score                                   cls and obj, the score is sqrt(cls · obj)
    left, top, right, bottom from the cell      centre offset, log width, log height
    two anchors a cell, interleaved             one; the second is added with score 0, which no threshold lets through

Distances are in cells (insightface multiplies by the stride), and the picture's height and width are left open.
SFace needs no translation. Its file lists every weight as an input that a caller may replace, which keeps
onnxruntime from folding the batch norms into the convolutions; the copy does without that list.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

DETECTOR = "det_yunet.onnx"
RECOGNIZER = "rec_sface.onnx"
_YUNET = "face_detection_yunet_2023mar.onnx"
_SFACE = "face_recognition_sface_2021dec.onnx"
_STRIDES = (8, 16, 32)


def build(folder: Path, progress: Callable[[str], None]) -> None:
    """Write `DETECTOR` and `RECOGNIZER` beside the fetched files in `folder`; the same input gives the same bytes."""
    import onnx

    for source, target, rewrite in ((_YUNET, DETECTOR, _as_scrfd), (_SFACE, RECOGNIZER, _without_weight_inputs)):
        progress(f"{source} → {target}")
        model = onnx.load(str(folder / source))
        rewrite(model)
        onnx.checker.check_model(model)
        half = folder / f"{target}.part"
        half.write_bytes(model.SerializeToString(deterministic=True))
        half.replace(folder / target)


def _without_weight_inputs(model: Any) -> None:
    weights = {w.name for w in model.graph.initializer}
    kept = [i for i in model.graph.input if i.name not in weights]
    del model.graph.input[:]
    model.graph.input.extend(kept)


def _as_scrfd(model: Any) -> None:
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    graph = model.graph
    front: list[Any] = []
    back: list[Any] = []

    def constant(name: str, value: Any, dtype: Any) -> str:
        graph.initializer.append(numpy_helper.from_array(np.asarray(value, dtype), f"kiosk_{name}"))
        return f"kiosk_{name}"

    def node(nodes: list[Any], op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    # The picture: back to 0…255 (exact: 128 is a power of two), then RGB to BGR.
    old = graph.input[0].name
    scaled = node(front, "Mul", ["input.1", constant("std", 128.0, np.float32)], "kiosk_scaled")
    bytes_ = node(front, "Add", [scaled, constant("mean", 127.5, np.float32)], "kiosk_bytes")
    node(front, "Gather", [bytes_, constant("bgr", [2, 1, 0], np.int64)], old, axis=1)
    shape = [1, 3, "height", "width"]
    graph.input[0].CopyFrom(helper.make_tensor_value_info("input.1", TensorProto.FLOAT, shape))

    zero, half = constant("zero", 0.0, np.float32), constant("half", 0.5, np.float32)
    first, last, end = (constant(n, [v], np.int64) for n, v in (("first", 0), ("two", 2), ("four", 4)))
    axis = constant("axis", [2], np.int64)
    outputs: dict[str, list[Any]] = {"score": [], "box": [], "points": []}

    def twice(kind: str, stride: int, values: str, other: str, width: int) -> None:
        """One row a cell becomes two rows a cell: the real anchor and the one that never scores."""
        pair = node(back, "Concat", [values, other], f"kiosk_{kind}_pair_{stride}", axis=2)
        rows = constant(f"{kind}_rows_{stride}", [1, -1, width], np.int64)
        name = node(back, "Reshape", [pair, rows], f"{kind}_{stride}")
        outputs[kind].append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, f"rows_{stride}", width]))

    for s in _STRIDES:
        product = node(back, "Mul", [f"cls_{s}", f"obj_{s}"], f"kiosk_product_{s}")
        score = node(back, "Sqrt", [product], f"kiosk_sqrt_{s}")
        never = node(back, "Mul", [score, zero], f"kiosk_never_{s}")
        twice("score", s, score, never, 1)

        centre = node(back, "Slice", [f"bbox_{s}", first, last, axis], f"kiosk_centre_{s}")
        log_size = node(back, "Slice", [f"bbox_{s}", last, end, axis], f"kiosk_log_size_{s}")
        size = node(back, "Exp", [log_size], f"kiosk_size_{s}")
        reach = node(back, "Mul", [size, half], f"kiosk_reach_{s}")
        left_top = node(back, "Sub", [reach, centre], f"kiosk_left_top_{s}")
        right_bottom = node(back, "Add", [reach, centre], f"kiosk_right_bottom_{s}")
        box = node(back, "Concat", [left_top, right_bottom], f"kiosk_box_{s}", axis=2)
        twice("box", s, box, box, 4)

        twice("points", s, f"kps_{s}", f"kps_{s}", 10)

    middle = list(graph.node)
    del graph.node[:]
    graph.node.extend([*front, *middle, *back])
    del graph.output[:]
    graph.output.extend([*outputs["score"], *outputs["box"], *outputs["points"]])
    # Shapes noted for 640×640 no longer hold.
    del graph.value_info[:]
