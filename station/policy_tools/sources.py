"""Reads a policy from its source (TOML or JSON) or from the signed document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from station.core.documents import FIELDS, DocumentType, open_held
from station.core.policy import Policy
from station.core.policy_reader import PolicyError, read_table
from station.core.policy_source import read_source

SIGNED = ".cose"


class SourceError(Exception):
    """A policy cannot be read. The message names the file and says what to do."""


@dataclass(frozen=True, slots=True)
class Source:
    """A policy's fields, as its document has them. `version`: 0 where it has not been signed yet."""

    fields: Mapping[Any, Any]
    version: int


def read_fields(path: Path) -> Source:
    """Read the fields of a policy; by the file's suffix: .cose, .json, else TOML. Raises SourceError.

    The signature of a document is not checked here: only a station knows which keys it believes.
    """
    try:
        if path.suffix == SIGNED:
            return _signed(path)
        text = path.read_text(encoding="utf-8")
        return Source({**dict.fromkeys(FIELDS), **read_source(text, as_json=path.suffix == ".json")}, 0)
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error}); name a policy's source or its signed document") from error
    except ValueError as error:
        raise SourceError(f"{path}: {error}") from error


def _signed(path: Path) -> Source:
    envelope = open_held(path.read_bytes())
    if envelope.type is not DocumentType.POLICY:
        raise SourceError(f"{path}: this is a {envelope.type} document, not a policy")
    return Source(envelope.fields, envelope.seq)


def read_policy_file(path: Path) -> Policy:
    """Read a policy from a file as a station would. Raises SourceError."""
    source = read_fields(path)
    try:
        return read_table(source.version, source.fields)
    except PolicyError as error:
        raise SourceError(f"{path}: a station refuses it ({error.reason}): {error}") from error
