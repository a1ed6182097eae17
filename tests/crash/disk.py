"""A disk that loses power: what may be on it after a number of operations.

A file's bytes are there after it is synced; a name (of a new file, a renamed one, one that is gone) is there after its
folder is synced. What wasn't synced may be there or not, whole or in part; names come in the order in which they were
made, and a rename is one step. Two kinds of file systems are drawn from:

- one with a journal, as ext4 and XFS have: names of all folders go to the disk in one order, and any sync takes along
  those before it;
- one that keeps no more than POSIX promises: each folder's names go by themselves.
"""

import os
import random
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from .shim import Kind, Operation
from .trials import put_copy

_SHARES = (0.0, 0.5, 0.9, 1.0)
"""How likely each step that wasn't synced is on the disk."""


@dataclass(eq=False)
class Change:
    """Of a file's bytes: a write at `offset`; or, without data, its size."""

    offset: int
    data: bytes | None
    is_synced: bool = False


@dataclass(eq=False)
class File:
    """A file, whatever its names.

    Args:
        source: where its bytes are that were there at first; None: it is new.
    """

    source: Path | None = None
    changes: list[Change] = field(default_factory=list)


@dataclass(eq=False)
class Folder:
    """Names, as they were on the disk at first, and as processes see them."""

    at_first: "dict[str, File | Folder]" = field(default_factory=dict)
    now: "dict[str, File | Folder]" = field(default_factory=dict)


Node = File | Folder


class Entry(NamedTuple):
    """A name in a folder; without a node it is gone."""

    folder: Folder
    name: str
    node: Node | None


@dataclass
class Naming:
    """One step in which names change."""

    entries: list[Entry]
    is_synced: bool = False


class Disk:
    """What is on its way to a disk.

    Args:
        root: a folder as it is on the disk at first; stays as it is.
        has_journal: see the top of this file.
    """

    def __init__(self, root: Path, *, has_journal: bool) -> None:
        self._has_journal = has_journal
        self._root = _load(root) if root.exists() else Folder()
        self._namings: list[Naming] = []

    def do(self, operation: Operation) -> None:
        """What a process did."""
        node = self._find(operation.path)
        match operation.kind:
            case Kind.OPEN if node is None:
                self._name(Entry(*self._place(operation.path), File()))
            case Kind.OPEN if operation.flags & os.O_TRUNC and isinstance(node, File):
                node.changes.append(Change(0, None))
            case Kind.WRITE if isinstance(node, File):
                node.changes.append(Change(operation.offset, operation.data))
            case Kind.TRUNCATE if isinstance(node, File):
                node.changes.append(Change(operation.offset, None))
            case Kind.SYNC if node is not None:
                self._sync(node)
            case Kind.MKDIR:
                self._name(Entry(*self._place(operation.path), Folder()))
            case Kind.UNLINK | Kind.RMDIR:
                self._name(Entry(*self._place(operation.path), None))
            case Kind.RENAME if node is not None:
                source, target = self._place(operation.path), self._place(operation.other)
                self._name(Entry(*source, None), Entry(*target, node))
            case Kind.LINK | Kind.SYMLINK:
                raise ValueError(f"nothing in rilctl makes a {operation.kind.name.lower()}: {operation.path}")

    def write_after_power_cut(self, target: Path, chance: random.Random) -> None:
        """Write one of the states in which the disk may be then; `target` is made."""
        entries: defaultdict[int, dict[str, Node | None]] = defaultdict(dict)
        share, is_stuck = chance.choice(_SHARES), set[int]()
        for naming in self._namings:
            orders = {0} if self._has_journal else {id(entry.folder) for entry in naming.entries}
            if naming.is_synced or (not orders & is_stuck and chance.random() < share):
                for folder, name, node in naming.entries:
                    entries[id(folder)][name] = node
            else:
                is_stuck |= orders

        def put(folder: Folder, path: Path) -> None:
            path.mkdir()
            for name, node in {**folder.at_first, **entries[id(folder)]}.items():
                if isinstance(node, Folder):
                    put(node, path / name)
                elif node is not None and node.source is not None and not node.changes:
                    put_copy(node.source, path / name)
                elif node is not None:
                    (path / name).write_bytes(_bytes_after_power_cut(node, chance))

        put(self._root, target)

    def _sync(self, node: Node) -> None:
        if isinstance(node, File):
            for change in node.changes:
                change.is_synced = True
        for naming in self._namings:
            if self._has_journal or any(entry.folder is node for entry in naming.entries):
                naming.is_synced = True

    def _name(self, *entries: Entry) -> None:
        for folder, name, node in entries:
            if node is None:
                folder.now.pop(name, None)
            else:
                folder.now[name] = node
        self._namings.append(Naming([*entries]))

    def _place(self, path: str) -> tuple[Folder, str]:
        folder = self._find(os.path.dirname(path))
        assert isinstance(folder, Folder), path
        return folder, os.path.basename(path)

    def _find(self, path: str) -> Node | None:
        node: Node | None = self._root
        for name in Path(path).parts:
            node = node.now.get(name) if isinstance(node, Folder) else None
        return node


def _load(path: Path) -> Folder:
    entries: dict[str, Node] = {each.name: _load(each) if each.is_dir() else File(each) for each in path.iterdir()}
    return Folder(entries, dict(entries))


def _bytes_after_power_cut(file: File, chance: random.Random) -> bytes:
    """What was synced, and of what wasn't nothing, all, a beginning, any part, or the size alone."""
    data = bytearray(b"" if file.source is None else file.source.read_bytes())
    late = [change for change in file.changes if not change.is_synced]
    fate = chance.choice(("nothing", "all", "beginning", "some", "size"))
    end = chance.randint(0, len(late))
    for change in file.changes:
        if change.is_synced or fate == "all":
            _apply(data, change)
        elif fate == "beginning" and (at := late.index(change)) <= end:
            _apply(data, change, share=1.0 if at < end else chance.random())
        elif fate == "some" and chance.random() < 0.5:
            _apply(data, change)
        elif fate == "size":
            _apply(data, Change(change.offset, change.data and bytes(len(change.data))))
    return bytes(data)


def _apply(data: bytearray, change: Change, share: float = 1.0) -> None:
    if change.data is None:
        size = change.offset
        data[:] = data[:size] + bytes(size - len(data[:size]))
        return
    part = change.data[: round(share * len(change.data))]
    data.extend(bytes(max(0, change.offset - len(data))))
    data[change.offset : change.offset + len(part)] = part
