"""What terminals are sent to show a picture, read back as they read it."""

import base64
import io
import re
from itertools import product

import pytest
from PIL import Image

from rilctl.views.watch.protocols import PROTOCOLS, Box, protocol_of

BOX = Box(columns=4, rows=2, cell_px=(5, 10))


@pytest.fixture
def picture() -> Image.Image:
    """Red on the left, blue on the right, with a noise that doesn't compress."""
    image = Image.effect_noise((60, 60), 90).convert("RGB")
    image.paste((255, 0, 0), (0, 0, 10, 60))
    image.paste((0, 0, 255), (50, 0, 60, 60))
    return image


def test_kitty(picture):
    sent = PROTOCOLS["kitty"](picture, BOX)
    chunks = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", sent)
    assert "".join(f"\x1b_G{keys};{data}\x1b\\" for keys, data in chunks) == sent and len(chunks) > 1
    assert chunks[0][0] == "a=T,f=100,i=1,p=1,q=2,C=1,c=4,r=2,m=1"
    assert [keys for keys, _ in chunks[1:]] == ["m=1"] * (len(chunks) - 2) + ["m=0"]
    assert all(len(data) <= 4096 for _, data in chunks)
    shown = Image.open(io.BytesIO(base64.b64decode("".join(data for _, data in chunks))))
    assert shown.tobytes() == picture.tobytes()


def test_iterm2(picture):
    sent = PROTOCOLS["iterm2"](picture, BOX)
    found = re.fullmatch(r"\x1b\]1337;File=([^:]*):([^\x07]*)\x07", sent)
    assert found is not None
    assert {"inline=1", "width=4", "height=2", "doNotMoveCursor=1"} <= {*found[1].split(";")}
    assert Image.open(io.BytesIO(base64.b64decode(found[2]))).tobytes() == picture.tobytes()


def read_sixel(sent: str) -> Image.Image:
    """As the manual says it, pixel by pixel."""
    head = re.match(r'\x1bP[0-9;]*q"1;1;(\d+);(\d+)', sent)
    assert head is not None and sent.endswith("\x1b\\")
    image = Image.new("RGB", (int(head[1]), int(head[2])), (1, 2, 3))
    palette: dict[int, tuple[int, ...]] = {}
    column, top, colour = 0, 0, -1
    for token in re.finditer(r"#(\d+);2;(\d+);(\d+);(\d+)|#(\d+)|!(\d+)(.)|([?-~])|(\$)|(-)", sent[head.end() : -2]):
        if token[1]:
            palette[int(token[1])] = tuple(round(int(token[at]) * 255 / 100) for at in (2, 3, 4))
        elif token[5]:
            colour = int(token[5])
        elif token[9]:
            column = 0
        elif token[10]:
            column, top = 0, top + 6
        else:
            bits, end = ord(token[7] or token[8]) - 63, column + int(token[6] or 1)
            for at, place in product(range(column, end), range(6)):
                if bits >> place & 1:
                    image.putpixel((at, top + place), palette[colour])
            column = end
    return image


def test_sixel(picture):
    shown = read_sixel(PROTOCOLS["sixel"](picture, BOX))
    assert shown.size == (20, 20)  # 4 x 2 characters of 5 x 10 pixels
    left, right = shown.getpixel((0, 10)), shown.getpixel((19, 19))
    assert isinstance(left, tuple) and isinstance(right, tuple)
    assert left[0] > 200 and left[2] < 60 and right[2] > 200 and right[0] < 60
    expected, got = (image.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0)) for image in (picture, shown))
    assert isinstance(expected, tuple) and isinstance(got, tuple)
    assert all(abs(own - other) < 40 for own, other in zip(expected, got, strict=True))


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        ("\x1b_Gi=31;OK\x1b\\\x1bP>|kitty(0.35.2)\x1b\\\x1b[?62;c", "kitty"),
        ("\x1bP>|iTerm2 3.5.2\x1b\\\x1b[?62;4c", "iterm2"),
        ("\x1bP>|WezTerm 20240203\x1b\\\x1b[?65;4;6;18;22c", "iterm2"),
        ("\x1bP>|XTerm(390)\x1b\\\x1b[?64;1;2;4;6c", "sixel"),
        ("\x1b_Gi=31;ENOTSUPPORTED\x1b\\\x1b[?64;1;2c", None),
        ("\x1b[?6c", None),
        ("\x1b[?64;14;24c", None),
        ("", None),
    ],
)
def test_what_a_terminal_says(answer, name):
    assert protocol_of(answer) == name
