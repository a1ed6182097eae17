"""From a `[data]` table to the source that it names."""

from pathlib import Path

from rilctl.config.data import ChatData, DataConfig, DigitsData, FolderData, HubData, JsonlData, LlavaData, ParquetData
from rilctl.data.sources.base import Table
from rilctl.data.sources.chat import open_chat
from rilctl.data.sources.digits import open_digits
from rilctl.data.sources.folder import open_folder
from rilctl.data.sources.hub import open_hub
from rilctl.data.sources.jsonl import open_jsonl
from rilctl.data.sources.llava import open_llava
from rilctl.data.sources.messages import with_messages
from rilctl.data.sources.parquet import open_parquet


def open_source(config: DataConfig, base_dir: Path, most_rows: int | None = None) -> Table:
    """Open a source; its rows are read when they are asked for.

    Args:
        config: the `[data]` table.
        base_dir: folder that relative paths start from.
        most_rows: see `draw`; a CSV, and what is drawn as it is needed, are always whole.

    Raises:
        DataError: it can't be opened.
    """
    match config:
        case HubData():
            return with_messages(open_hub(config, base_dir, most_rows))
        case ParquetData():
            return with_messages(open_parquet(config, base_dir, most_rows))
        case JsonlData():
            return open_jsonl(config, base_dir, most_rows)
        case LlavaData():
            return open_llava(config, base_dir, most_rows)
        case ChatData():
            return open_chat(config, base_dir, most_rows)
        case FolderData():
            return open_folder(config, base_dir)
        case DigitsData():
            return open_digits(config)
