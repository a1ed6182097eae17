"""Videos are refused by name: a row that shows one would be learned without it."""

from collections.abc import Mapping

from rilctl.errors import RowError

VIDEO_KEYS = ("video", "videos")
_MARK = "<video>"


def refuse_videos(fields: Mapping[str, object]) -> None:
    """Raise `RowError` (`video-unsupported`) where a row has a video beside its other fields."""
    for key in VIDEO_KEYS:
        if fields.get(key) not in (None, "", [], ()):
            raise RowError("video-unsupported", f"`{key}`: videos can't be shown; take frames as images")


def refuse_video_mark(text: str) -> None:
    """Raise `RowError` (`video-unsupported`) where a text says that a video is shown."""
    if _MARK in text.lower():
        raise RowError("video-unsupported", f"the text holds `{_MARK}`: videos can't be shown; take frames as images")
