"""Data sets on the Hugging Face hub, and local folders that `datasets.load_dataset` understands."""

import glob
import os
from pathlib import Path

from rilctl.config.data import HubData
from rilctl.data.drawing import draw
from rilctl.data.folders import folder_cache, refuse_full_cache
from rilctl.data.sources.arrow import read_arrow
from rilctl.data.sources.base import Table, absolute
from rilctl.data.template import names_in
from rilctl.errors import CredentialError, DataError


def open_hub(config: HubData, base_dir: Path, most_rows: int | None = None) -> Table:
    """The rows of one split. Downloads go to the cache of `datasets`.

    Raises:
        DataError: unknown, unreachable or unreadable; an unknown split or configuration; a missing column.
        CredentialError: a gated data set, and no token.
    """
    import datasets
    from huggingface_hub import constants

    local = absolute(config.path, base_dir)
    path, cache = config.path, None
    roots: tuple[Path, ...] = (Path(datasets.config.HF_DATASETS_CACHE), Path(constants.HF_HUB_CACHE))
    if os.path.isdir(local):
        if glob.has_magic(str(local.resolve())):
            hint = "`datasets` takes `[`, `]`, `*` and `?` for a pattern; rename it, or read its files with `parquet`"
            raise DataError(f"the path of the folder {local} can't be read by `datasets`", hint=hint)
        local = local.resolve()  # as `datasets` does: paths inside it are compared with it
        path, cache, roots = str(local), folder_cache(local), (local, *roots)
    elif os.path.isfile(local):
        hint = "data.type says how a file is read: `jsonl`, `parquet`, `llava` or `chat`"
        raise DataError(f"{local} is a file, and data.type is `hub`", hint=hint)
    name = f"hub:{config.path}@{config.revision or 'main'}:{config.name or 'default'}/{config.split}"
    try:
        dataset = datasets.load_dataset(
            path, config.name, split=config.split, revision=config.revision, cache_dir=cache
        )
    except Exception as error:  # ours, the hub's, fsspec's, pyarrow's: no common base
        refuse_full_cache(error)
        # datasets drops the cause (`raise … from None`), so the words are all there is
        if isinstance(error, datasets.exceptions.DatasetNotFoundError) and "gated" in str(error):
            hint = "accept its terms on the hub, then set HF_TOKEN or run `hf auth login`"
            raise CredentialError(f"data set {config.path} is gated", hint=hint) from error
        hint = "data.path is a hub id or a folder; data.name, data.split and data.revision say which part"
        raise DataError(f"data set {config.path}: {error}", hint=hint) from error
    drawn = draw(dataset.num_rows, most_rows)
    rows = read_arrow(dataset, config.columns, name, names_in(config.template), drawn)
    return Table(name, rows, config.columns, roots, drawn=drawn)
