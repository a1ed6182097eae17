"""Lines that another process appends, and cuts back."""

from rilctl.views.runs.lines import Lines, last_lines, whole_lines


def test_each_whole_line_comes_once(tmp_path):
    path = tmp_path / "log"
    lines = Lines(path)
    assert lines.read() == ([], False)
    path.write_bytes(b"one\ntwo\nthr")
    assert lines.read() == ([b"one", b"two"], False)
    assert lines.read() == ([], False)
    with path.open("ab") as file:
        file.write(b"ee\nfour\n")
    assert lines.read() == ([b"three", b"four"], False)


def test_a_log_that_was_cut_back_begins_anew(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(b"one\ntwo\nthree\n")
    lines = Lines(path)
    lines.read()
    path.write_bytes(b"one\n")
    assert lines.read() == ([b"one"], True)
    path.write_bytes(b"ONE\ntwo\nand much more than before\n")  # cut, and longer again than it was
    assert lines.read() == ([b"ONE", b"two", b"and much more than before"], True)
    path.unlink()
    assert lines.read() == ([], True)
    assert lines.read() == ([], False)


def test_the_end_of_a_log(tmp_path):
    path = tmp_path / "log"
    assert last_lines(path, 10) == []
    path.write_bytes(b"one\ntwo\nthree\nfour\nfi")
    assert last_lines(path, 100) == [b"one", b"two", b"three", b"four"]
    assert last_lines(path, 14) == [b"three", b"four"]
    assert last_lines(path, 3) == []
    assert [*whole_lines(path)] == [b"one", b"two", b"three", b"four"]
