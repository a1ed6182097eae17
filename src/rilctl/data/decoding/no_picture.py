"""What a file is that should have been a picture: people meet the same few again and again."""

import re

_SVG = re.compile(rb"<svg[\s>]", re.IGNORECASE)
_HTML = re.compile(rb"<(!doctype\s+html|html|head|body)[\s>]", re.IGNORECASE)
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
_FIRST_BYTES = 2048
"""Where the kinds below show what they are; an SVG may begin with a licence."""


def what_it_is(content: bytes) -> str:
    """Names the kind of a file that no decoder knows, and what to do about it."""
    start = content[:_FIRST_BYTES]
    if not content:
        return "the file is empty"
    if start.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer instead of the picture: run `git lfs pull` where the data was cloned"
    if _SVG.search(start):
        return "an SVG, which is a drawing and no picture of pixels: save it as PNG"
    if _HTML.search(start):
        return "a web page (HTML) instead of a picture: a download may have met a login or an error page"
    if start.startswith(b"%PDF"):
        return "a PDF: save its pages as pictures"
    if start[4:8] == b"ftyp" and start[8:12] in _HEIF_BRANDS:
        return "a HEIC picture, which isn't read: save it as JPEG or PNG"
    if start.startswith(b"%!PS"):
        return "PostScript, which isn't read: save it as PNG"
    return "not an image of a known format"
