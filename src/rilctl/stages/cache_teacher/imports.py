"""Answers that exist already: `cache-teacher --import FILE`."""

from collections import defaultdict
from pathlib import Path

from rilctl.config.cache_teacher import CacheTeacherConfig
from rilctl.config.suggest import did_you_mean
from rilctl.data.strict_json import load_json
from rilctl.errors import DataError
from rilctl.stages.shared.context import StageContext

IMPORT_KEYS = ("teacher", "sample_id", "text")
Imports = dict[tuple[str, str], list[str]]
"""Texts that exist already, by (teacher, sample id)."""


def read_imports(
    context: StageContext, config: CacheTeacherConfig, teachers: set[str], sample_ids: set[str] | None
) -> Imports:
    """Texts from JSON Lines files; what answers a question that isn't asked (held out, rejected) is left out.

    Args:
        context: the stage's surroundings.
        config: the `[cache-teacher]` table.
        teachers: those that are asked.
        sample_ids: of the questions that are asked; None: not all of them are known.

    Raises:
        DataError: a file can't be read, a line is malformed, names a teacher that isn't asked (its answers would be
            paid for again), or no line answers any question; names file and line.
    """
    imports: Imports = defaultdict(list)
    for name in config.imports:
        path = context.base_dir / name
        num_used, unasked = 0, list[str]()
        for number, line in _import_lines(path):
            teacher, sample_id, text = _import_row(f"{path}:{number}", line)
            if teacher not in teachers:
                raise DataError(
                    f"{path}:{number}: teacher `{teacher}` is not asked in this run{did_you_mean(teacher, teachers)}",
                    hint="add it to `--teachers`, or take its lines out",
                )
            if sample_ids is None or sample_id in sample_ids:
                imports[teacher, sample_id].append(text)
                num_used += 1
            else:
                unasked.append(f"{path}:{number}: no question `{sample_id}` in [data]")
        if not num_used:
            raise DataError((*unasked, f"{path} holds no answers")[0], hint="sample_id must be the data set's id")
        if unasked:
            context.reporter.warn(f"{len(unasked)} imported answers are left out; {unasked[0]}")
    return dict(imports)


def _import_lines(path: Path) -> list[tuple[int, str]]:
    hint = "`--import` takes JSON Lines in UTF-8"
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")  # `splitlines` would cut at U+2028 inside a text
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror or error}", hint=hint) from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text (byte {error.start})", hint=hint) from error
    return [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]


def _import_row(where: str, line: str) -> tuple[str, str, str]:
    """Teacher, sample id and text of one line. Raises `DataError`."""
    hint = 'each line is `{"sample_id": "…", "teacher": "…", "text": "…"}`'
    try:
        row = load_json(line.encode())
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not JSON: {error}", hint=hint) from error
    teacher, sample_id, text = (row.get(key) if isinstance(row, dict) else None for key in IMPORT_KEYS)
    if not (isinstance(teacher, str) and isinstance(sample_id, str) and isinstance(text, str) and text.strip()):
        raise DataError(f"{where}: needs the texts {', '.join(IMPORT_KEYS)}", hint=hint)
    try:
        (teacher + sample_id + text).encode()
    except UnicodeEncodeError as error:
        raise DataError(f"{where}: half a surrogate pair, which no text can hold", hint=hint) from error
    return teacher, sample_id, text
