"""HDF5 attributes that hold text of variable length, read without the HDF5 library.

The library follows a damaged length or reference into endless loops, gigabytes and crashes. So the
bytes of such an attribute are looked up in its object's header here, and its strings in the heaps
that these bytes refer to, every step bounded. The layouts are those of the HDF5 File Format
Specification, sections III.E (global heap), IV.A.1 (object headers), IV.A.2.m (attributes).
"""

from __future__ import annotations

from collections.abc import Iterator

from applications.weights.formats._checkpoint import CheckpointError

CONTINUATION, ATTRIBUTE = 0x10, 0x0C  # types of messages in an object's header
REFERENCE = 16  # bytes: length (4), address of a heap (8), number of an object in it (4)
MAX_BLOCKS = 100
MAX_TEXT = 8 << 20  # bytes that the strings of one attribute may take


class Strings:
    """Finds the text of attributes in a mapped HDF5 file."""

    def __init__(self, data: memoryview) -> None:
        self.data = data
        self._heaps: dict[int, dict[int, bytes | memoryview]] = {}
        sizes = 13 if data[8] < 2 else 9  # where the superblock says how long offsets are
        if bytes(data[sizes : sizes + 2]) != b"\x08\x08":
            raise CheckpointError("is an HDF5 file of an uncommon kind: write it with h5py again.")

    def read(self, header: int, name: str, count: int) -> list[str]:
        """The `count` strings of an attribute of the object whose header lies at `header`."""
        raw = self._attribute(header, name.encode())
        if len(raw) != count * REFERENCE:
            raise CheckpointError(f"has a damaged attribute {name!r}: download the file again.")
        found: list[str] = []
        left = MAX_TEXT
        for at in range(0, len(raw), REFERENCE):
            length, heap, number = _int(raw, at, 4), _int(raw, at + 4, 8), _int(raw, at + 12, 4)
            text = self._heap(heap).get(number, b"") if length else b""
            left -= length
            if length > len(text) or left < 0:
                raise CheckpointError(f"has a damaged attribute {name!r}: download the file again.")
            found.append(bytes(text[:length]).partition(b"\0")[0].decode())
        return found

    def _attribute(self, header: int, name: bytes) -> memoryview:
        """The bytes of an attribute's value."""
        for kind, body in self._messages(header):
            if kind != ATTRIBUTE:
                continue
            sizes = [_int(body, at, 2) for at in (2, 4, 6)]  # of name, type and space
            start = 9 if body[0] == 3 else 8
            if bytes(body[start : start + sizes[0]]).rstrip(b"\0") == name:
                if body[0] == 1:
                    sizes = [-(-size // 8) * 8 for size in sizes]
                return body[start + sum(sizes) :]
        raise CheckpointError(f"keeps the attribute {name.decode()!r} in an uncommon way.")

    def _messages(self, header: int) -> Iterator[tuple[int, memoryview]]:
        """The messages (type, body) of an object's header, its continuations included."""
        old = self.data[header] == 1
        if old:
            blocks = [(header + 16, _int(self.data, header + 8, 4))]
            prefix = 8
        else:  # "OHDR", a version, flags, times, limits, the size of the first block
            flags = self.data[header + 5]
            at = header + 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
            width = 1 << (flags & 3)
            blocks = [(at + width, _int(self.data, at, width))]
            prefix = 6 if flags & 4 else 4
        for number, (start, size) in enumerate(blocks):  # grows as continuations are found
            if number >= MAX_BLOCKS:
                raise CheckpointError("has a damaged header of an object: download the file again.")
            at, end = start, min(start + size, len(self.data))
            while at + prefix <= end:
                kind = _int(self.data, at, 2) if old else self.data[at]
                length = _int(self.data, at + (2 if old else 1), 2)
                body = self.data[at + prefix : min(at + prefix + length, end)]
                at += prefix + length
                if kind == CONTINUATION:
                    begin, size = _int(body, 0, 8), _int(body, 8, 8)
                    # The new kind is wrapped in "OCHK" and a checksum.
                    blocks.append((begin, size) if old else (begin + 4, size - 8))
                else:
                    yield kind, body

    def _heap(self, address: int) -> dict[int, bytes | memoryview]:
        """The objects of the heap at an address: number -> bytes."""
        if address not in self._heaps:
            if bytes(self.data[address : address + 4]) != b"GCOL":
                raise CheckpointError(
                    "has no heap of strings where one should be: download it again."
                )
            end = min(address + _int(self.data, address + 8, 8), len(self.data))
            at = address + 16
            objects: dict[int, bytes | memoryview] = {}
            while at + 16 <= end and (number := _int(self.data, at, 2)):  # 0 is the free space
                size = _int(self.data, at + 8, 8)
                objects[number] = self.data[at + 16 : min(at + 16 + size, end)]
                at += 16 + -(-size // 8) * 8
            self._heaps[address] = objects
        return self._heaps[address]


def _int(data: memoryview, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "little")
