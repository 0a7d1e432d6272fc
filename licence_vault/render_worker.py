"""Renders faces in a process of its own: `python -I render_worker.py`.

Reads requests from standard input and writes answers to standard output, each a
4-byte length and JSON; a good answer is followed by a second frame, the PDF. The process has an empty
environment, an empty root directory, no package sources and bounded memory and
file size; the parent bounds the time. It imports nothing of ours, so that its
interpreter can run isolated.
"""

from __future__ import annotations

import datetime as dt
import json
import resource
import struct
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO

import typst

MEMORY_BYTES = 2 << 30
MAX_PDF_BYTES = 20 << 20


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _read(stream: BinaryIO) -> dict[str, Any] | None:
    header = stream.read(4)
    if len(header) < 4:  # noqa: PLR2004 - the length itself
        return None
    message: dict[str, Any] = json.loads(stream.read(struct.unpack(">I", header)[0]))
    return message


def _write(stream: BinaryIO, data: bytes) -> None:
    stream.write(struct.pack(">I", len(data)) + data)
    stream.flush()


class Renderer:
    """One compiler with its fonts loaded."""

    def __init__(self, fonts: list[str]) -> None:
        """Make the empty root; fonts are linked into a directory of their own."""
        self._root = Path(tempfile.mkdtemp(prefix="hufu-face-"))
        self._fonts = Path(tempfile.mkdtemp(prefix="hufu-fonts-"))
        for number, name in enumerate(fonts):
            (self._fonts / f"{number:02d}{Path(name).suffix}").symlink_to(name)
        loaded = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[self._fonts])
        self._compiler = typst.Compiler(
            root=self._root, font_paths=loaded, package_path=self._root, package_cache_path=self._root
        )

    def render(self, request: dict[str, Any]) -> bytes:
        """Compile one face as PDF/A-3b."""
        pdf = self._compiler.compile(
            input=request["template"].encode(),
            format="pdf",
            pdf_standards=["a-3b"],
            pdf_tags=False,
            timestamp=dt.datetime.fromisoformat(request["dated"]),
            sys_inputs={"licence": request["licence"]},
        )
        if not isinstance(pdf, bytes) or len(pdf) > MAX_PDF_BYTES:
            message = "the face is too large"
            raise typst.TypstError(message, message)
        return pdf

    def close(self) -> None:
        """Remove both directories."""
        for link in self._fonts.iterdir():
            link.unlink()
        self._fonts.rmdir()
        self._root.rmdir()


def main() -> None:
    """Serve until standard input closes."""
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    setup = _read(source)
    if setup is None:
        return
    renderer = Renderer(setup["fonts"])
    _limit()
    _write(sink, json.dumps({"typst": version("typst")}).encode())
    try:
        while (request := _read(source)) is not None:
            try:
                pdf = renderer.render(request)
            except typst.TypstError as error:
                _write(sink, json.dumps({"error": str(error.message)}).encode())
            else:
                _write(sink, b"{}")
                _write(sink, pdf)
    finally:
        renderer.close()


if __name__ == "__main__":
    main()
