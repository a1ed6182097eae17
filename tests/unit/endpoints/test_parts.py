"""Keys, Retry-After, prices, requests."""

import base64
import io
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, PngImagePlugin
from pydantic import SecretStr, ValidationError

from rilctl.config.endpoints import EndpointConfig
from rilctl.config.fields import SamplingConfig
from rilctl.data.conversation import Conversation, Turn
from rilctl.data.sample import ImageRef
from rilctl.engines.endpoints.failures import MAX_PAUSE_S, read_retry_after
from rilctl.engines.endpoints.ledger import Ledger, cost_of
from rilctl.engines.endpoints.masking import Mask
from rilctl.engines.endpoints.messages import chat_body
from rilctl.engines.endpoints.secrets import read_key
from rilctl.engines.generation.base import Usage
from rilctl.engines.generation.openai import endpoint_model_digest
from rilctl.errors import CredentialError, RowError

URL = "http://localhost:8000/v1"


def test_a_key_comes_from_the_named_variable_or_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", " abc-123\n")
    (tmp_path / "key").write_text("def-456\n")
    keys = [
        read_key(EndpointConfig(url=URL, key_env="SOME_KEY"), tmp_path),
        read_key(EndpointConfig(url=URL, key_file="key"), tmp_path),
        read_key(EndpointConfig(url=URL), tmp_path),
    ]
    assert [key and key.get_secret_value() for key in keys] == ["abc-123", "def-456", None]
    assert "abc" not in repr(keys)


@pytest.mark.parametrize("content", ["", "  \n", "two words", "line\nline", "schlüssel", "a\x00b"])
def test_what_is_no_key_is_not_sent_and_not_shown(tmp_path: Path, content: str) -> None:
    (tmp_path / "key").write_text(content)
    with pytest.raises(CredentialError, match="holds no key") as caught:
        read_key(EndpointConfig(url=URL, key_file="key"), tmp_path)
    assert not content.strip() or content.strip() not in caught.value.message


def test_a_key_file_that_is_no_text_or_not_there_is_a_credential_error(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"\xff\xfe")
    for name in ("key", "nowhere"):
        with pytest.raises(CredentialError, match="can't be read"):
            read_key(EndpointConfig(url=URL, key_file=name), tmp_path)


def test_redaction_covers_a_quoted_beginning_and_end() -> None:
    key = SecretStr("sk-0123456789abcdef")
    said = Mask(key).message("bad key sk-0123456789abcdef, sk-01234567****, ***89abcdef, fine text")
    assert said == "bad key [key], [key]****, ***[key], fine text"
    assert Mask(None).message("text") == "text"


@pytest.mark.parametrize(
    ("value", "low", "high"),
    [
        ("2", 2.0, 2.0),
        ("0", 0.0, 0.0),
        ("-5", 0.0, 0.0),
        ("1e9", MAX_PAUSE_S, MAX_PAUSE_S),
        ("inf", MAX_PAUSE_S, MAX_PAUSE_S),
        ("9" * 5000, MAX_PAUSE_S, MAX_PAUSE_S),
        ("Fri, 31 Dec 9999 23:59:59 -2359", MAX_PAUSE_S, MAX_PAUSE_S),
        ("Mon, 01 Jan 0001 00:00:00 +2359", 0.0, 0.0),
        ("94608000", MAX_PAUSE_S, MAX_PAUSE_S),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0, 0.0),
        ("Wed, 21 Oct 2099 07:28:00 GMT", MAX_PAUSE_S, MAX_PAUSE_S),
    ],
)
def test_retry_after(value: str, low: float, high: float) -> None:
    found = read_retry_after(value)
    assert found is not None and low <= found <= high


def test_a_retry_after_that_is_a_date() -> None:
    found = read_retry_after(format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True))
    assert found is not None and 15 < found <= 20


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "soon",
        "nan",
        "Wed, 99 Xyz 2099",
        "Wed, 21 Oct 99999 07:28:00 GMT",
        "1" * 30 + "-Oct-2099",
    ],
)
def test_a_retry_after_that_says_nothing(value: str | None) -> None:
    assert read_retry_after(value) is None


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"url": "localhost:8000/v1"}, "http"),
        ({"url": "ftp://x/v1"}, "http"),
        ({"url": "https://me:secret@x/v1"}, "never written here"),
        ({"url": "https://x/v1?key=secret"}, "never written here"),
        ({"url": "https://x/v1/chat/completions"}, "base address"),
        ({"url": "http://[::1/v1"}, "host or port"),
        ({"url": "http://x:99999/v1"}, "host or port"),
        ({"url": "http://x:port/v1"}, "host or port"),
        ({"url": "http://a..b/v1"}, "host or port"),
        ({"url": "http://x y/v1"}, "starts with http"),
        ({"url": "http://x/v1\n"}, "starts with http"),
        ({"url": "http:///v1"}, "starts with http"),
        ({"url": URL, "proxy": "socks5://x"}, "starts with http"),
        ({"url": URL, "proxy": "http://me:secret@x"}, "never written here"),
        ({"url": URL, "key_env": "A", "key_file": "b"}, "not both"),
        ({"url": URL, "key_env": "sk-secret-0123456789"}, "name of an environment variable"),
        ({"url": URL, "key_env": "gsk_secret0123456789"}, "name of an environment variable"),
        ({"url": URL, "key_file": "sk-secret-0123456789abcdef"}, "path of a file"),
        ({"url": URL, "max_concurrency": 0}, "greater than 0"),
    ],
)
def test_endpoints_that_make_no_sense(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem) as caught:
        EndpointConfig(**fields)
    assert all("secret" not in each["msg"] for each in caught.value.errors())


def test_costs_need_both_prices() -> None:
    usage = Usage(2_000_000, 500_000)
    priced = EndpointConfig(url=URL, input_price=0.5, output_price=4.0)
    assert cost_of(priced, usage) == 3.0
    assert cost_of(EndpointConfig(url=URL, input_price=0.5), usage) is None
    ledger = Ledger()
    ledger.sent()
    ledger.counted(usage)
    ledger.counted(None)
    ledger.answered()
    assert ledger.line(priced) == (
        "1 calls, 1 answers, 2,000,000 input and 500,000 output tokens (1 replies came without a count), cost 3.0000"
    )


def body(sampling: SamplingConfig, *images: ImageRef, seed: int = 5, **endpoint: Any) -> dict[str, Any]:
    return chat_body(
        "m", Conversation.of("why?", images), sampling, seed=seed, endpoint=EndpointConfig(url=URL, **endpoint)
    )


def test_a_request_says_its_sampling_and_hides_nothing_to_a_servers_default() -> None:
    assert body(SamplingConfig(max_new_tokens=7, temperature=0.0)) == {
        "model": "m",
        "messages": [{"role": "user", "content": "why?"}],
        "max_tokens": 7,
        "temperature": 0.0,
        "top_p": 1.0,
        "seed": 5,
    }
    more = body(SamplingConfig(top_k=50, repetition_penalty=1.05), budget_key="max_completion_tokens")
    assert (more["top_k"], more["repetition_penalty"], more["max_completion_tokens"]) == (50, 1.05, 256)
    assert body(SamplingConfig(), seed=2**63 - 1)["seed"] == 2**31 - 1


def test_keys_can_be_left_out_and_added_which_makes_other_answers() -> None:
    changed = body(SamplingConfig(), omit=("seed", "temperature"), extra_body={"reasoning_effort": "low"})
    assert "seed" not in changed and "temperature" not in changed and changed["reasoning_effort"] == "low"
    plain, moved = EndpointConfig(url=URL), EndpointConfig(url="https://elsewhere/v1", max_concurrency=2, key_env="K")
    assert endpoint_model_digest("m", plain) == endpoint_model_digest("m", moved)
    digests = {
        endpoint_model_digest("m", plain),
        endpoint_model_digest("other", plain),
        endpoint_model_digest("m", EndpointConfig(url=URL, omit=("seed",))),
        endpoint_model_digest("m", EndpointConfig(url=URL, extra_body={"reasoning_effort": "low"})),
    }
    assert len(digests) == 4


def picture(form: str, mode: str = "RGB", **options: Any) -> ImageRef:
    buffer = io.BytesIO()
    Image.new(mode, (4, 2), 200 if mode in ("L", "I;16") else None).save(buffer, form, **options)
    return ImageRef(buffer.getvalue(), f"{form} {mode}")


def sent(image: ImageRef) -> tuple[str, bytes, Image.Image]:
    head, _, data = image.for_the_web().data_url.partition(";base64,")
    content = base64.b64decode(data)
    return head.removeprefix("data:"), content, Image.open(io.BytesIO(content))


@pytest.mark.parametrize(("form", "mime"), [("JPEG", "image/jpeg"), ("PNG", "image/png"), ("WEBP", "image/webp")])
def test_a_plain_picture_is_sent_as_it_is(form: str, mime: str) -> None:
    image = picture(form)
    assert sent(image)[:2] == (mime, image.origin)


@pytest.mark.parametrize(
    "image",
    [
        picture("PNG", "RGBA"),
        picture("PNG", "LA"),
        picture("PNG", "I;16"),
        picture("BMP"),
        picture("TIFF"),
        picture("GIF", "P"),
        picture("JPEG", "CMYK"),
    ],
    ids=lambda image: image.name,
)
def test_any_other_picture_is_sent_as_every_engine_sees_it(image: ImageRef) -> None:
    mime, _, seen = sent(image)
    assert mime == "image/png" and seen.mode == "RGB"
    assert seen.tobytes() == image.load().tobytes()


def test_a_picture_that_is_turned_by_its_exif_is_sent_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    mime, _, seen = sent(picture("JPEG", exif=exif))
    assert (mime, seen.size) == ("image/png", (2, 4))
    upright = Image.Exif()
    upright[0x0112] = 1
    assert sent(picture("JPEG", exif=upright))[0] == "image/jpeg"


def test_a_drawn_picture_and_a_broken_one() -> None:
    drawn = ImageRef(lambda: Image.new("RGB", (3, 3), "red"), "drawn")
    assert sent(drawn)[2].getpixel((0, 0)) == (255, 0, 0)
    whole = picture("PNG", pnginfo=PngImagePlugin.PngInfo())
    assert isinstance(whole.origin, bytes)
    with pytest.raises(RowError, match="decoded"):
        ImageRef(whole.origin[:-25], "cut.png").for_the_web()


def test_turns_become_messages_with_pictures_where_they_stand() -> None:
    image = ImageRef(Image.new("RGB", (4, 4), "red").copy, "drawn")
    earlier = Turn("user", ("is ", image, " red?")), Turn("assistant", ("yes",))
    asked = Conversation(Turn("user", ("sure?",)), earlier, "say little")
    sent = chat_body("m", asked, SamplingConfig(), seed=1, endpoint=EndpointConfig(url=URL))["messages"]
    picture = {"type": "image_url", "image_url": {"url": image.for_the_web().data_url}}
    assert sent == [
        {"role": "system", "content": "say little"},
        {"role": "user", "content": [{"type": "text", "text": "is "}, picture, {"type": "text", "text": " red?"}]},
        {"role": "assistant", "content": "yes"},
        {"role": "user", "content": "sure?"},
    ]
