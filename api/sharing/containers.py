"""Taking metadata out of image files without touching their pixels.

Only what is needed to show the image is kept, so that metadata of kinds not thought of goes too:
Exif with its maker notes and thumbnails, XMP, IPTC, comments, text, times of change, images and
other bytes after the end. What stays besides pixels: colour profile, colour space, resolution, and
the orientation, in an Exif block of that one entry.

Raises of every function: ``Unreadable`` for a file that is not built as its format says.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

ORIENTATION = 0x0112
"""Exif tag."""


class Unreadable(ValueError):
    """The file's structure is not what its format says."""


def strip_jpeg(data: bytes) -> bytes:
    """ITU-T T.81 annex B; JFIF, ICC and Adobe segments are kept."""
    kept: list[bytes] = [b"\xff\xd8"]
    orientation = 1
    insert_at = 1
    for marker, segment in _jpeg_segments(data):
        body = segment[4:]
        if marker == 0xE0:  # JFIF, without its thumbnail; not JFXX, which is one
            if body.startswith(b"JFIF\0") and len(body) >= 14:
                kept.append(b"\xff\xe0\x00\x10" + body[:12] + b"\0\0")
                insert_at = len(kept)
        elif marker == 0xE1:
            if body.startswith(b"Exif\0") and orientation == 1:
                orientation = exif_orientation(body[6:])
        elif marker == 0xE2:
            if body.startswith(b"ICC_PROFILE\0"):
                kept.append(segment)
        elif marker == 0xEE:
            if body.startswith(b"Adobe"):
                kept.append(segment)
        elif 0xC0 <= marker <= 0xDF:  # tables, frames, scans, end
            kept.append(segment)
    if orientation != 1:
        exif = b"Exif\0\0" + orientation_exif(orientation)
        kept.insert(insert_at, b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif)
    return b"".join(kept)


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker and whole bytes of every segment after SOI up to EOI; coded pixels go with SOS."""
    if data[:2] != b"\xff\xd8":
        raise Unreadable("no JPEG")
    at = 2
    scans = 0
    while True:
        if data[at : at + 1] != b"\xff":
            if scans and at >= len(data):  # cut short; decoders show what is there
                yield 0xD9, b"\xff\xd9"
                return
            raise Unreadable(f"no marker at byte {at}")
        while data[at + 1 : at + 2] == b"\xff":  # fill bytes
            at += 1
        if at + 1 >= len(data):
            raise Unreadable("cut short in a marker")
        marker = data[at + 1]
        if marker == 0xD9:
            if not scans:
                raise Unreadable("no pixels")
            yield marker, b"\xff\xd9"
            return
        if marker == 0x01 or 0xD0 <= marker <= 0xD7:  # without a body, and of no use here
            at += 2
            continue
        if marker in (0x00, 0xD8) or at + 4 > len(data):
            raise Unreadable(f"unexpected marker {marker:02x}")
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if end < at + 4 or end > len(data):
            raise Unreadable(f"segment {marker:02x} is cut short")
        if marker == 0xDA:
            scans += 1
            end = _end_of_scan(data, end)
        yield marker, data[at:end]
        at = end


def _end_of_scan(data: bytes, at: int) -> int:
    """Coded pixels last until a marker that is neither a stuffed zero nor a restart."""
    while True:
        at = data.find(b"\xff", at)
        if at < 0 or at + 1 >= len(data):
            return len(data)
        follows = data[at + 1]
        if follows == 0xFF:
            at += 1
        elif follows == 0x00 or 0xD0 <= follows <= 0xD7:
            at += 2
        else:
            return at


_PNG_KEPT = frozenset(
    b"IHDR PLTE IDAT IEND tRNS cHRM gAMA iCCP sBIT sRGB cICP mDCV cLLI bKGD pHYs".split()
)


def strip_png(data: bytes) -> bytes:
    """PNG third edition; an animation becomes its still image."""
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        raise Unreadable("no PNG")
    kept = [data[:8]]
    orientation = 1
    at = 8
    pixels = False
    while True:
        if at + 12 > len(data):
            raise Unreadable("cut short")
        size = int.from_bytes(data[at : at + 4], "big")
        kind = data[at + 4 : at + 8]
        end = at + 12 + size
        if end > len(data):
            raise Unreadable("a chunk is cut short")
        if kind == b"eXIf":
            orientation = exif_orientation(data[at + 8 : end - 4])
        if kind == b"IDAT" and not pixels:
            pixels = True
            if orientation != 1:
                kept.append(_png_chunk(b"eXIf", orientation_exif(orientation)))
        if kind in _PNG_KEPT:
            kept.append(data[at:end])
        if kind == b"IEND":
            if not pixels:
                raise Unreadable("no pixels")
            return b"".join(kept)
        at = end


def _png_chunk(kind: bytes, body: bytes) -> bytes:
    check = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", check)


_FRAME = frozenset([b"VP8 ", b"VP8L", b"ALPH"])
_WEBP_KEPT = _FRAME | {b"VP8X", b"ICCP", b"ANIM"}
_WEBP_EXIF, _WEBP_XMP = 0x08, 0x04
"""Flags in the first byte of VP8X."""


def strip_webp(data: bytes) -> bytes:
    """RFC 9649."""
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        raise Unreadable("no WebP")
    kept: list[bytes] = []
    orientation = 1
    pixels = False
    for kind, body in _riff_chunks(data[12 : 8 + int.from_bytes(data[4:8], "little")]):
        pixels |= kind in (b"VP8 ", b"VP8L", b"ANMF")
        if kind == b"EXIF":
            orientation = exif_orientation(body.removeprefix(b"Exif\0\0"))
        elif kind == b"ANMF":
            parts = [_riff_chunk(*part) for part in _riff_chunks(body[16:]) if part[0] in _FRAME]
            kept.append(_riff_chunk(kind, body[:16] + b"".join(parts)))
        elif kind in _WEBP_KEPT:
            kept.append(_riff_chunk(kind, body))
    if not pixels:
        raise Unreadable("no pixels")
    if kept[0][:4] == b"VP8X":
        flags = kept[0][8] & ~(_WEBP_EXIF | _WEBP_XMP)
        if orientation != 1:
            flags |= _WEBP_EXIF
            kept.append(_riff_chunk(b"EXIF", orientation_exif(orientation)))
        kept[0] = kept[0][:8] + bytes([flags]) + kept[0][9:]
    body = b"WEBP" + b"".join(kept)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _riff_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        if at + 8 + size > len(data):
            raise Unreadable("a chunk is cut short")
        yield data[at : at + 4], data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


def _riff_chunk(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def orientation_exif(orientation: int) -> bytes:
    """An Exif (TIFF) block with the orientation and nothing else."""
    header = b"MM\0*" + struct.pack(">I", 8)
    entry = struct.pack(">HHIHH", ORIENTATION, 3, 1, orientation, 0)
    return header + struct.pack(">H", 1) + entry + struct.pack(">I", 0)


def exif_orientation(exif: bytes) -> int:
    """Orientation, 1 to 8, in an Exif (TIFF) block; 1 if it says none that makes sense."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None:
        return 1
    try:
        (at,) = struct.unpack_from(order + "I", exif, 4)
        (count,) = struct.unpack_from(order + "H", exif, at)
        for entry in range(at + 2, at + 2 + 12 * count, 12):
            tag, kind, number = struct.unpack_from(order + "HHI", exif, entry)
            if tag == ORIENTATION and kind == 3 and number == 1:
                (value,) = struct.unpack_from(order + "H", exif, entry + 8)
                return value if 1 <= value <= 8 else 1
    except struct.error:
        return 1
    return 1
