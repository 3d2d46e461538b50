"""Zip archives as checkpoints use them: read where they lie, never extracted."""

from __future__ import annotations

import struct
import zipfile
import zlib
from dataclasses import dataclass

from applications.weights.formats._checkpoint import MAX_ARRAYS, CheckpointError, plausible
from applications.weights.formats._view import View

MAX_DIRECTORY = 8 << 20  # bytes of central directory
LOCAL_HEADER = struct.Struct("<4s22xHH")  # signature ... length of name, length of extra field
ENCRYPTED = 1


@dataclass(frozen=True)
class Member:
    """One file of an archive: where its bytes lie, and what they should be."""

    name: str
    start: int
    stored: int  # bytes in the archive
    size: int  # bytes once unpacked
    crc: int
    deflated: bool


class Archive:
    """The members of a zip archive, checked: none overlaps, lies outside, or unpacks absurdly.

    Args:
        data: The archive, mapped.

    Raises:
        CheckpointError: If the archive is truncated, damaged, encrypted or a bomb.
    """

    def __init__(self, data: memoryview) -> None:
        self.data = data
        self._last: tuple[Member | None, memoryview] = (None, data)
        with zipfile.ZipFile(_Directory(data)) as archive:
            infos = [info for info in archive.infolist() if not info.is_dir()]
        if len(infos) > MAX_ARRAYS:
            raise CheckpointError(f"has {len(infos)} members: at most {MAX_ARRAYS}.")
        self.members = {info.filename: self._member(info) for info in infos}
        if len(self.members) != len(infos):
            raise CheckpointError(
                "holds two members with the same name: it is damaged or malicious."
            )
        end = 0
        for member in sorted(self.members.values(), key=lambda member: member.start):
            if member.start < end or member.start + member.stored > len(data):
                raise CheckpointError(
                    f"has a member {member.name!r} that overlaps another or lies outside the file: "
                    "it is damaged or malicious."
                )
            end = member.start + member.stored
        unpacked = sum(member.size for member in self.members.values())
        if not plausible(unpacked, len(data)):
            raise CheckpointError(
                f"of {len(data)} bytes unpacks to {unpacked} bytes: it is a zip bomb or is damaged."
            )

    def _member(self, info: zipfile.ZipInfo) -> Member:
        if info.flag_bits & ENCRYPTED or info.compress_type not in (
            zipfile.ZIP_STORED,
            zipfile.ZIP_DEFLATED,
        ):
            raise CheckpointError(
                f"has a member {info.filename!r} that is encrypted or packed in an uncommon way: "
                "save it without compression."
            )
        signature, name, extra = LOCAL_HEADER.unpack_from(self.data, info.header_offset)
        if signature != b"PK\x03\x04":
            raise CheckpointError(
                f"has no member where {info.filename!r} should be: download it again."
            )
        start = info.header_offset + LOCAL_HEADER.size + name + extra
        deflated = info.compress_type == zipfile.ZIP_DEFLATED
        if not deflated and info.compress_size != info.file_size:
            raise CheckpointError(
                f"declares a wrong size of {info.filename!r}: download the file again."
            )
        return Member(info.filename, start, info.compress_size, info.file_size, info.CRC, deflated)

    def __contains__(self, name: str) -> bool:
        return name in self.members

    def head(self, name: str, size: int) -> bytes:
        """The first `size` bytes of a member, unpacked but unchecked."""
        member = self.members[name]
        raw = self.data[member.start : member.start + member.stored]
        return (
            zlib.decompressobj(-15).decompress(raw, size) if member.deflated else bytes(raw[:size])
        )

    def read(
        self, name: str, limit: int | None = None, *, zero_is_no_crc: bool = False
    ) -> memoryview:
        """A member's bytes, its checksum compared: a view of the mapping unless it is deflated.

        Args:
            name: The member.
            limit: The largest size accepted, in bytes.
            zero_is_no_crc: torch.save can leave checksums out, and then writes 0.
        """
        if name not in self.members:
            raise CheckpointError(f"lacks its member {name!r}: download the file again.")
        member = self.members[name]
        if limit is not None and member.size > limit:
            raise CheckpointError(f"has a {name!r} of {member.size} bytes: at most {limit}.")
        data = self.data[member.start : member.start + member.stored]
        if member == self._last[0]:  # many arrays may share one member
            return self._last[1]
        if member.deflated:
            inflate = zlib.decompressobj(-15)
            data = memoryview(inflate.decompress(data, member.size + 1))
        if len(data) != member.size or (
            zlib.crc32(data) != member.crc and not (zero_is_no_crc and member.crc == 0)
        ):
            raise CheckpointError(
                f"is damaged: the checksum of {name!r} is wrong. Download it again."
            )
        self._last = (member, data)
        return data


class _Directory(View):
    """What zipfile reads the central directory through."""

    def read(self, size: int | None = -1) -> bytes:
        if size is not None and size > MAX_DIRECTORY:
            raise CheckpointError(f"has a directory of {size} bytes: at most {MAX_DIRECTORY}.")
        return super().read(size)
