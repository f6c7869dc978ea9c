"""Turns the language model's GGUF file into a plain ONNX graph and a tokenizer: no torch, no llama.cpp on the box.

The GGUF's quantised blocks are carried over, not quantised again: a block of Q8_0, Q5_0 or Q6_K is "small integers
times one scale", which is what `MatMulNBits` and `GatherBlockQuantized` hold too, only with the integers widened to 8
bits. Only Q4_K, which has a minimum beside its scale, is rounded once more (to 8 bits a block: about 1/17 of its step).

Two choices make the graph small and quick for what a kiosk asks of it:
- the output matrix is never multiplied as a whole: `wanted` names the tokens whose logits are needed (labels, and words
  of the utterance), and only their rows are read. Embedding and output stay on disk, mapped, until a row is touched;
- logits and the normed hidden state (`hidden`) come for every position given, so a drafted continuation is judged in
  one pass, and labels can be told from the state itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from kiosk.values import OperatorError

GGUF_NAME = "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"
#: how many tokens the rotary tables reach; prompt and utterance together stay far below
MAX_TOKENS = 2048
#: mapped pages begin here; onnxruntime maps an initializer only from such an offset
_PAGE = 4096
#: rows of a matrix that are held in float at a time
_ROWS = 8192
#: Qwen2's split of text into words before its merges: contractions, letters with one leading mark, single digits,
#: punctuation with its line breaks, line breaks, blanks
_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def build(folder: Path, progress: Callable[[str], None]) -> None:
    """Write `model.onnx`, `model.onnx.data` and `tokenizer.json` beside the GGUF in `folder`: always the same bytes.

    Files are written under temporary names and renamed at the end, `model.onnx` last, so a broken run leaves no model.

    Raises:
        OperatorError: the GGUF is missing, of another architecture, or holds a tensor type that is not known here.
    """
    import gguf

    source = folder / GGUF_NAME
    if not source.is_file():
        raise OperatorError("is missing", where=str(source), remedy="Run: kiosk models fetch qwen")
    reader = gguf.GGUFReader(source)
    if reader.fields["general.architecture"].contents() != "qwen2":
        raise OperatorError("is not a qwen2 model", where=str(source), remedy="Run: kiosk models fetch qwen")
    temporary = {name: folder / f"{name}.part" for name in ("tokenizer.json", "model.onnx.data", "model.onnx")}
    progress("language model: tokenizer")
    temporary["tokenizer.json"].write_text(_tokenizer(reader), encoding="utf-8")
    with temporary["model.onnx.data"].open("wb") as data:
        model = _Graph(reader, data, progress).model()
    temporary["model.onnx"].write_bytes(model.SerializeToString(deterministic=True))
    for name, path in temporary.items():
        path.replace(folder / name)
    progress("language model: built")


def _tokenizer(reader: Any) -> str:
    """The tokenizer in the `tokenizers` library's form, from the GGUF's own vocabulary and merges."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    tokens: list[str] = reader.fields["tokenizer.ggml.tokens"].contents()
    kinds: list[int] = reader.fields["tokenizer.ggml.token_type"].contents()
    merges = [tuple(m.split(" ")) for m in reader.fields["tokenizer.ggml.merges"].contents()]
    control, user_defined, unused = 3, 4, 5
    vocab = {token: i for i, token in enumerate(tokens) if kinds[i] != unused}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges, fuse_unk=False, byte_fallback=False))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_SPLIT), behavior="isolated", invert=False),
            pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    # all of them special, so that one switch of the library keeps them out of what a customer says
    special = [t for t, kind in zip(tokens, kinds, strict=True) if kind in (control, user_defined)]
    tokenizer.add_special_tokens([AddedToken(t, normalized=False) for t in special])
    return json.dumps(json.loads(tokenizer.to_str()), ensure_ascii=False, separators=(",", ":"), sort_keys=False)


def integers(tensor: Any, part: slice = slice(None)) -> tuple[NDArray[np.uint8], NDArray[np.float32], int]:
    """Rows `part` of a GGUF matrix as unsigned 8-bit integers around 128, each block's scale, and the block's length.

    Returns:
        `q` [rows, blocks, block], `scale` [rows, blocks] and block: weight = (q − 128) · scale.
    """
    import gguf

    kind = tensor.tensor_type.name
    raw = tensor.data[part]
    rows = raw.shape[0]
    weight = gguf.quants.dequantize(raw, tensor.tensor_type)
    if kind in ("Q8_0", "Q5_0"):
        block = 32
        # each block begins with its scale as a half
        stride = {"Q8_0": 34, "Q5_0": 22}[kind]
        scale = np.ascontiguousarray(raw.reshape(rows, -1, stride)[:, :, :2]).view(np.float16)[:, :, 0]
        scale = scale.astype(np.float32)
    elif kind == "Q6_K":
        block = 16
        # 256 weights: 128 + 64 bytes of integers, 16 signed sub-scales, one half
        packed = raw.reshape(rows, -1, 210)
        sub = packed[:, :, 192:208].view(np.int8).astype(np.float32)
        whole = np.ascontiguousarray(packed[:, :, 208:210]).view(np.float16).astype(np.float32)
        scale = (whole * sub).reshape(rows, -1)
    elif kind == "Q4_K":
        block = 32
        scale = np.abs(weight.reshape(rows, -1, block)).max(axis=2) / 127
    else:
        raise OperatorError(f"tensor {tensor.name} has the unknown type {kind}", remedy="Run: kiosk models fetch qwen")
    safe = np.where(scale == 0, np.float32(1), scale)
    q = np.rint(weight.reshape(rows, -1, block) / safe[:, :, None]).clip(-128, 127)
    return (q + 128).astype(np.uint8), scale, block


class _Graph:
    """Collects nodes and initializers; big initializers go straight to the data file."""

    def __init__(self, reader: Any, data: BinaryIO, progress: Callable[[str], None]) -> None:
        self.tensors = {t.name: t for t in reader.tensors}
        fields = reader.fields
        self.layers = int(fields["qwen2.block_count"].contents())
        self.hidden = int(fields["qwen2.embedding_length"].contents())
        self.heads = int(fields["qwen2.attention.head_count"].contents())
        self.kv_heads = int(fields["qwen2.attention.head_count_kv"].contents())
        self.base = float(fields["qwen2.rope.freq_base"].contents())
        self.epsilon = float(fields["qwen2.attention.layer_norm_rms_epsilon"].contents())
        self.head = self.hidden // self.heads
        self.data = data
        self.progress = progress
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []

    def model(self) -> Any:
        from onnx import TensorProto, helper

        f, i = TensorProto.FLOAT, TensorProto.INT64
        inputs = [
            helper.make_tensor_value_info("input_ids", i, [1, "new"]),
            helper.make_tensor_value_info("wanted", i, ["wanted"]),
            helper.make_tensor_value_info("last", TensorProto.INT32, [1]),
            helper.make_tensor_value_info("total", TensorProto.INT32, []),
        ]
        outputs = [
            helper.make_tensor_value_info("logits", f, ["new", "wanted"]),
            helper.make_tensor_value_info("hidden", f, ["new", self.hidden]),
        ]
        for n in range(self.layers):
            for kv in ("key", "value"):
                inputs.append(helper.make_tensor_value_info(f"past.{n}.{kv}", f, [1, self.kv_heads, "past", self.head]))
                outputs.append(
                    helper.make_tensor_value_info(f"present.{n}.{kv}", f, [1, self.kv_heads, "sum", self.head])
                )
        self._rotary()
        self._rows("token_embd", "input_ids", "embedded")
        residual, normed = "embedded", self._norm("blk.0.attn_norm", "embedded")
        for n in range(self.layers):
            self.progress(f"language model: layer {n + 1} of {self.layers}")
            residual, normed = self._layer(n, residual, normed)
        self._rows("output", "wanted", "rows")
        self._node("Transpose", ["rows"], ["columns"], perm=[1, 0])
        self._node("Squeeze", [normed, self._small("axis0", np.array([0], np.int64))], ["hidden"])
        self._node("MatMul", ["hidden", "columns"], ["logits"])
        graph = helper.make_graph(self.nodes, "qwen2", inputs, outputs, self.initializers)
        opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=10, producer_name="kiosk")

    def _layer(self, n: int, residual: str, normed: str) -> tuple[str, str]:
        at = f"blk.{n}"
        self._matmul(f"{at}.qkv", [f"{at}.attn_{p}.weight" for p in "qkv"], normed, f"{at}.qkv.raw")
        bias = np.concatenate([self.tensors[f"{at}.attn_{p}.bias"].data for p in "qkv"])
        self._node("Add", [f"{at}.qkv.raw", self._small(f"{at}.qkv.bias", bias)], [f"{at}.qkv.out"])
        self._node(
            "GroupQueryAttention",
            [f"{at}.qkv.out", "", "", f"past.{n}.key", f"past.{n}.value", "last", "total", "cos", "sin"],
            [f"{at}.attended", f"present.{n}.key", f"present.{n}.value"],
            domain="com.microsoft",
            num_heads=self.heads,
            kv_num_heads=self.kv_heads,
            scale=self.head**-0.5,
            do_rotary=1,
            rotary_interleaved=0,
        )
        self._matmul(f"{at}.o", [f"{at}.attn_output.weight"], f"{at}.attended", f"{at}.o.out")
        residual, normed = self._skip_norm(f"{at}.ffn_norm", residual, f"{at}.o.out")
        self._matmul(f"{at}.gate", [f"{at}.ffn_gate.weight"], normed, f"{at}.gate.out")
        self._matmul(f"{at}.up", [f"{at}.ffn_up.weight"], normed, f"{at}.up.out")
        # with alpha 1 this is x · sigmoid(x)
        self._node("QuickGelu", [f"{at}.gate.out"], [f"{at}.silu"], domain="com.microsoft", alpha=1.0)
        self._node("Mul", [f"{at}.silu", f"{at}.up.out"], [f"{at}.inner"])
        self._matmul(f"{at}.down", [f"{at}.ffn_down.weight"], f"{at}.inner", f"{at}.down.out")
        following = f"blk.{n + 1}.attn_norm" if n + 1 < self.layers else "output_norm"
        return self._skip_norm(following, residual, f"{at}.down.out")

    def _rotary(self) -> None:
        inverse = self.base ** (-np.arange(0, self.head, 2, dtype=np.float64) / self.head)
        angle = np.arange(MAX_TOKENS, dtype=np.float64)[:, None] * inverse
        self._small("cos", np.cos(angle).astype(np.float32))
        self._small("sin", np.sin(angle).astype(np.float32))

    def _norm(self, name: str, x: str) -> str:
        weight = self._small(f"{name}.weight", self.tensors[f"{name}.weight"].data)
        self._node(
            "SimplifiedLayerNormalization", [x, weight], [f"{name}.out"], axis=-1, epsilon=self.epsilon, stash_type=1
        )
        return f"{name}.out"

    def _skip_norm(self, name: str, residual: str, x: str) -> tuple[str, str]:
        weight = self._small(f"{name}.weight", self.tensors[f"{name}.weight"].data)
        self._node(
            "SkipSimplifiedLayerNormalization",
            [residual, x, weight],
            [f"{name}.out", "", "", f"{name}.sum"],
            domain="com.microsoft",
            epsilon=self.epsilon,
        )
        return f"{name}.sum", f"{name}.out"

    def _matmul(self, name: str, parts: list[str], x: str, out: str) -> None:
        pieces = [integers(self.tensors[p]) for p in parts]
        q = np.concatenate([p[0] for p in pieces])
        scale = np.concatenate([p[1] for p in pieces])
        block = pieces[0][2]
        self._node(
            "MatMulNBits",
            [x, self._big(f"{name}.q", q), self._big(f"{name}.scale", scale)],
            [out],
            domain="com.microsoft",
            K=q.shape[1] * block,
            N=q.shape[0],
            bits=8,
            block_size=block,
            accuracy_level=4,
        )

    def _rows(self, tensor: str, ids: str, out: str) -> None:
        """Rows of a quantised matrix, in float: the embedding, and the output matrix for the wanted tokens."""
        matrix = self.tensors[f"{tensor}.weight"]
        rows = matrix.data.shape[0]
        # a slice at a time: in float the whole would take 544 MB
        parts = [integers(matrix, slice(r, r + _ROWS)) for r in range(0, rows, _ROWS)]
        q = np.concatenate([p[0].reshape(p[0].shape[0], -1) for p in parts])
        scale = np.concatenate([p[1] for p in parts])
        self._node(
            "GatherBlockQuantized",
            [self._big(f"{tensor}.q", q), ids, self._big(f"{tensor}.scale", scale)],
            [out],
            domain="com.microsoft",
            bits=8,
            block_size=parts[0][2],
            gather_axis=0,
            quantize_axis=1,
        )

    def _node(self, op: str, inputs: list[str], outputs: list[str], **attributes: Any) -> None:
        from onnx import helper

        self.nodes.append(helper.make_node(op, inputs, outputs, name=f"{op}/{outputs[0]}", **attributes))

    def _small(self, name: str, value: NDArray[Any]) -> str:
        from onnx import numpy_helper

        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def _big(self, name: str, value: NDArray[Any]) -> str:
        from onnx import TensorProto, helper

        self.data.write(b"\0" * (-self.data.tell() % _PAGE))
        offset = self.data.tell()
        self.data.write(np.ascontiguousarray(value).data)
        tensor = TensorProto(
            name=name,
            dims=value.shape,
            data_type=helper.np_dtype_to_tensor_dtype(value.dtype),
            data_location=TensorProto.EXTERNAL,
        )
        facts = {"location": "model.onnx.data", "offset": offset, "length": self.data.tell() - offset}
        for key, fact in facts.items():
            tensor.external_data.add(key=key, value=str(fact))
        self.initializers.append(tensor)
        return name
