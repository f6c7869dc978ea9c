"""The language model's forward pass once more, in numpy and float, from the GGUF: the yardstick for the built graph.

It shares nothing with the graph but the GGUF file; slow and plain on purpose. No cache: a prompt is run as a whole.
"""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


class Reference:
    def __init__(self, path: Path) -> None:
        reader = gguf.GGUFReader(path)
        self.tensors = {t.name: t for t in reader.tensors}
        self.layers = int(reader.fields["qwen2.block_count"].contents())
        self.heads = int(reader.fields["qwen2.attention.head_count"].contents())
        self.kv_heads = int(reader.fields["qwen2.attention.head_count_kv"].contents())
        self.base = float(reader.fields["qwen2.rope.freq_base"].contents())
        self.epsilon = float(reader.fields["qwen2.attention.layer_norm_rms_epsilon"].contents())

    def weight(self, name: str, rows: slice = slice(None)) -> Array:
        tensor = self.tensors[name]
        if tensor.tensor_type.name == "F32":
            return np.array(tensor.data, np.float32)
        return gguf.quants.dequantize(tensor.data[rows], tensor.tensor_type)

    def logits(self, prompts: list[list[int]]) -> list[Array]:
        """Logits over the whole vocabulary after the last token of each prompt."""
        xs = [np.concatenate([self.weight("token_embd.weight", slice(i, i + 1)) for i in p]) for p in prompts]
        for n in range(self.layers):
            w = {
                name.removeprefix(f"blk.{n}."): self.weight(name)
                for name in self.tensors
                if name.startswith(f"blk.{n}.")
            }
            xs = [self._layer(x, w) for x in xs]
        last = np.stack([self._norm(x[-1:], self.weight("output_norm.weight"))[0] for x in xs])
        rows, step = self.tensors["output.weight"].data.shape[0], 16384
        parts = [last @ self.weight("output.weight", slice(r, r + step)).T for r in range(0, rows, step)]
        return list(np.concatenate(parts, axis=1))

    def _norm(self, x: Array, weight: Array) -> Array:
        return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + self.epsilon) * weight

    def _turn(self, x: Array) -> Array:
        """Rotary position: the first half of a head is paired with its second half. `x` is [tokens, heads, head]."""
        half = x.shape[-1] // 2
        inverse = self.base ** (-np.arange(half) / half)
        angle = np.arange(x.shape[0])[:, None, None] * inverse
        a, b = x[..., :half], x[..., half:]
        turned = np.concatenate([a * np.cos(angle) - b * np.sin(angle), b * np.cos(angle) + a * np.sin(angle)], axis=-1)
        return turned.astype(np.float32)

    def _layer(self, x: Array, w: dict[str, Array]) -> Array:
        tokens = x.shape[0]
        h = self._norm(x, w["attn_norm.weight"])
        q, k, v = ((h @ w[f"attn_{p}.weight"].T + w[f"attn_{p}.bias"]) for p in "qkv")
        head = q.shape[1] // self.heads
        q = self._turn(q.reshape(tokens, self.heads, head))
        k = self._turn(k.reshape(tokens, self.kv_heads, head)).repeat(self.heads // self.kv_heads, axis=1)
        v = v.reshape(tokens, self.kv_heads, head).repeat(self.heads // self.kv_heads, axis=1)
        score = np.einsum("qhd,khd->hqk", q, k) / np.sqrt(head)
        score += np.triu(np.full((tokens, tokens), -np.inf), 1)
        score = np.exp(score - score.max(axis=-1, keepdims=True))
        score /= score.sum(axis=-1, keepdims=True)
        mixed = np.einsum("hqk,khd->qhd", score, v).reshape(tokens, -1).astype(np.float32)
        x = x + mixed @ w["attn_output.weight"].T
        h = self._norm(x, w["ffn_norm.weight"])
        gate = h @ w["ffn_gate.weight"].T
        inner = gate / (1 + np.exp(-gate)) * (h @ w["ffn_up.weight"].T)
        return x + inner @ w["ffn_down.weight"].T
