"""Files that people write for a command: policies, keys, lists of digests. They are small."""

from __future__ import annotations

from pathlib import Path

#: Bytes beyond which a file is none of these: a device without an end, a recording.
MAX_FILE_BYTES = 64 * 1024 * 1024


def read_small_file(path: Path) -> str:
    """The text of a file that is read whole.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no UTF-8, or larger than any file of its kind.
    """
    with path.open("rb") as stream:
        content = stream.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise ValueError(f"larger than {MAX_FILE_BYTES // 1024 // 1024} MiB")
    return content.decode("utf-8")
