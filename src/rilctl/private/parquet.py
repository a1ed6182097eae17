"""How much memory a Parquet file takes when it is decoded, from its page headers: a few kilobytes may hold gigabytes.

A value that stands in a dictionary once, and in the data a thousand times, is decoded a thousand times; zeros of any
length compress to nothing. pyarrow shows what the footer claims, not what the pages hold, so their headers are read
here: they are Thrift structures in its compact protocol (parquet.thrift, `PageHeader`).
"""

from io import BytesIO
from typing import Any, BinaryIO, Final

_MOST_PAGE_BYTES: Final = 1 << 27
_FLOOR_BYTES: Final = 128 << 20
"""What a row group may take whatever its size on the disk."""
_MOST_RATIO: Final = 200
"""How many times its size on the disk a larger one may take."""
_HEADER_BYTES: Final = 1 << 16
_DICTIONARY, _DATA, _DATA_V2 = 2, 0, 3
_DELTA_BYTE_ARRAY: Final = 7
_CODECS: Final = {"UNCOMPRESSED": None, "SNAPPY": "snappy", "GZIP": "gzip", "BROTLI": "brotli", "LZ4": "lz4_raw"}
_FIXED: Final = {"BOOLEAN": 1, "INT32": 4, "INT64": 8, "INT96": 12, "FLOAT": 4, "DOUBLE": 8}


def refuse_bomb(file: BinaryIO) -> None:
    """Raise `ValueError` where a row group would take far more memory than its size on the disk explains.

    Args:
        file: Parquet that pyarrow opens.
    """
    import pyarrow.parquet as pq

    metadata = pq.read_metadata(file)
    for group in range(metadata.num_row_groups):
        if not metadata.row_group(group).num_rows:
            continue  # it has no page
        columns = [metadata.row_group(group).column(index) for index in range(metadata.num_columns)]
        on_disk = sum(column.total_compressed_size for column in columns)
        try:
            decoded = sum(_decoded_bytes(file, column) for column in columns)
        except (AttributeError, KeyError, OverflowError, TypeError) as error:
            raise ValueError("a page header that makes no sense") from error
        if decoded > max(_FLOOR_BYTES, _MOST_RATIO * on_disk):
            raise ValueError(f"{on_disk:,} bytes of row group {group} would become {decoded:,} in memory")


def _decoded_bytes(file: BinaryIO, column: Any) -> int:
    """Of one column of a row group, at most."""
    at = column.data_page_offset
    if column.has_dictionary_page and column.dictionary_page_offset:
        at = min(at, column.dictionary_page_offset)
    end = at + column.total_compressed_size
    width = _FIXED.get(column.physical_type)
    decoded, longest = 0, 0
    while at < end:
        file.seek(at)
        stream = BytesIO(file.read(_HEADER_BYTES))
        header = _struct(stream)
        size, packed = int(header[2]), int(header[3])
        if not 0 <= size <= _MOST_PAGE_BYTES or packed < 0:
            raise ValueError(f"a page of {size:,} bytes")
        start = at + stream.tell()
        page = header.get(5 if header[1] == _DATA else 7 if header[1] == _DICTIONARY else 8, {})
        num_values = int(page.get(1, 0))
        if header[1] == _DICTIONARY:
            file.seek(start)
            longest = width or _longest(file.read(packed), size, column.compression)
        elif header[1] in (_DATA, _DATA_V2):
            is_shared = int(page.get(2 if header[1] == _DATA else 4, 0)) == _DELTA_BYTE_ARRAY
            decoded += size + num_values * (8 + (width or (size if is_shared else longest)))
        at = start + packed
    return decoded


def _longest(page: bytes, size: int, compression: str) -> int:
    """The longest of the texts in a dictionary: each stands behind its length in four bytes. Unreadable: all of it."""
    import pyarrow as pa

    codec = _CODECS.get(compression, compression.lower())
    try:
        texts = page if codec is None else pa.decompress(page, decompressed_size=size, codec=codec, asbytes=True)
    except (pa.ArrowException, OSError, ValueError):
        return size
    at, longest = 0, 0
    while at + 4 <= len(texts):
        length = int.from_bytes(texts[at : at + 4], "little")
        longest, at = max(longest, length), at + 4 + length
    return longest if at == len(texts) else size


def _struct(stream: BytesIO, depth: int = 0) -> dict[int, Any]:
    """The fields of a Thrift structure, by number."""
    fields: dict[int, Any] = {}
    number = 0
    while True:
        byte = _byte(stream)
        if byte == 0:
            return fields
        number = number + (byte >> 4) if byte >> 4 else _zigzag(stream)
        fields[number] = _value(stream, byte & 15, depth)


def _value(stream: BytesIO, kind: int, depth: int) -> Any:
    if depth > 8:
        raise ValueError("a page header that goes on below itself")
    if kind in (1, 2):
        return kind == 1
    if kind == 3:
        return _byte(stream)
    if kind in (4, 5, 6):
        return _zigzag(stream)
    if kind == 7:
        return stream.read(8)
    if kind == 8:
        length = _number(stream)
        return stream.read(min(length, _HEADER_BYTES))
    if kind in (9, 10):
        size = _byte(stream)
        length = _number(stream) if size >> 4 == 15 else size >> 4
        return [_value(stream, size & 15, depth + 1) for _ in range(min(length, _HEADER_BYTES))]
    if kind == 12:
        return _struct(stream, depth + 1)
    raise ValueError(f"a page header with a field of kind {kind}")


def _zigzag(stream: BytesIO) -> int:
    number = _number(stream)
    return number >> 1 ^ -(number & 1)


def _number(stream: BytesIO) -> int:
    found = 0
    for shift in range(0, 70, 7):
        byte = _byte(stream)
        found |= (byte & 127) << shift
        if byte < 128:
            return found
    raise ValueError("a number in a page header that doesn't end")


def _byte(stream: BytesIO) -> int:
    data = stream.read(1)
    if not data:
        raise ValueError("a page header that is cut short")
    return data[0]
