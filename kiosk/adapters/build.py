"""Derives the built files of a model (an ONNX graph from a checkpoint, say) once, after its sources were verified.

A builder is a module with `build(folder, progress)`: deterministic, quiet on success, writing to temporary names and
renaming at the end. What it wrote is hashed into a manifest, which `kiosk.adapters.weights` holds the files against.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from pathlib import Path

from kiosk.adapters import weights
from kiosk.adapters.catalogue import Model
from kiosk.values import OperatorError


def stale(model: Model) -> bool:
    """Are the built files missing, changed, built from other sources, or built by other code than today's?"""
    manifest = weights.read_json(weights.folder_of(model) / weights.MANIFEST)
    return bool(weights.check_built(model)) or manifest.get("code") != _code(model)


def build(model: Model, say: Callable[[str], None]) -> None:
    """Run the model's builder and write the manifest.

    Raises:
        OperatorError: the builder left a file out, or the disk said no.
    """
    folder = weights.folder_of(model)
    manifest = folder / weights.MANIFEST
    say(f"{model.name}: building {', '.join(model.built)}")
    try:
        manifest.unlink(missing_ok=True)
        importlib.import_module(model.build).build(folder, lambda text: say(f"{model.name}: {text}"))
        outputs = {}
        for name in model.built:
            path = folder / name
            weights.settle(path, path)
            outputs[name] = {"sha256": weights.sha256_of(path), "bytes": path.stat().st_size}
            weights.stamp(folder, name, str(outputs[name]["sha256"]))
        sources = {f.name: f.sha256 for f in model.files}
        weights.write_json(manifest, {"code": _code(model), "sources": sources, "outputs": outputs})
    except OSError as e:
        raise OperatorError(
            f"the build failed: {e.strerror}",
            where=str(e.filename or folder),
            remedy=f"Check the free space, then run: kiosk models fetch {model.name}",
        ) from e
    say(f"{model.name}: built")


def _code(model: Model) -> str:
    """The builder's version: the hash of its source, found without importing it."""
    spec = importlib.util.find_spec(model.build)
    if spec is None or spec.origin is None:
        raise OperatorError(f"the builder {model.build} is not in this installation", remedy="Install kiosk again.")
    return weights.sha256_of(Path(spec.origin))
