"""Why a file is not read at all. Messages are sentences for the person who sent it.

They name lines, columns and fields, and never repeat what stands in a cell.
"""

from __future__ import annotations


class FileRefused(ValueError):
    """The file as a whole cannot be read; nothing of it was taken."""


class EncodingRefused(FileRefused):
    """The file's encoding cannot be told, or it is not the one that was named."""


class TableRefused(FileRefused):
    """The file has no usable header, or its delimiter cannot be told."""


class MappingRefused(FileRefused):
    """The mapping is wrong, or does not fit the columns of this file."""
