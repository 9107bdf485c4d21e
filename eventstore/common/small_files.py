"""Read small files that people write for a command: policies, prices, keys of the HTTP API."""

from __future__ import annotations

from pathlib import Path

#: The largest size in bytes. A larger file was named by mistake: a device, or a recording.
MAX_FILE_BYTES = 64 * 1024 * 1024


def read_small_file(path: Path) -> str:
    """Return the text of a small UTF-8 file.

    Raises:
        OSError: The file cannot be read.
        ValueError: The file is no UTF-8, or larger than `MAX_FILE_BYTES`.
    """
    with path.open("rb") as stream:
        content = stream.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise ValueError(f"larger than {MAX_FILE_BYTES // 1024 // 1024} MiB")
    return content.decode("utf-8")
