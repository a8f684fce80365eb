"""How progress looks: one line that is overwritten on a terminal, lines of their own everywhere else."""
import os
import pty
import re
import struct
import subprocess

import fcntl
import pytest
import termios

from conftest import BINARY

CLEAR = "\r\x1b[K"
COLUMNS = 40


def on_terminal(folder, arguments, term="xterm", stdout=None):
    """(exit code, what the terminal was sent, what a piped standard output was); stdout=None: on the terminal too."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
    process = subprocess.Popen([BINARY, *map(str, arguments)], cwd=folder, stdin=theirs, stderr=theirs,
                               stdout=theirs if stdout is None else stdout,
                               env=os.environ | {"SAOBP_CACHE": str(folder / "cache"), "TERM": term})
    os.close(theirs)
    seen = b""
    try:
        while part := os.read(ours, 65536):
            seen += part
    except OSError:  # the other side is closed
        pass
    os.close(ours)
    piped = process.stdout.read().decode() if process.stdout else ""
    return process.wait(timeout=60), seen.decode().replace("\r\n", "\n"), piped


@pytest.fixture
def run(setting):
    return [*setting, "--steps", 6, "--log-every", 2, "--output", "run"]


def steps(lines):
    return [int(m.group(1)) for line in lines if (m := re.match(r"step (\d+)/6 ", line))]


def test_a_pipe_gets_lines_of_the_logged_steps(saobp, run):
    done = saobp(*run)
    assert "\x1b" not in done.out + done.err and "\r" not in done.out + done.err
    assert steps(done.out.splitlines()) == [2, 4, 6]
    assert done.err == ""


def test_with_json_they_are_on_standard_error(saobp, run):
    done = saobp(*run, "--json")
    assert steps(done.err.splitlines()) == [2, 4, 6]
    assert done.out.count("\n") == 1 and done.json["step"] == 6


def test_a_terminal_shows_one_line_that_is_overwritten(tmp_path, run):
    code, seen, _ = on_terminal(tmp_path, run)
    assert code == 0
    shown = seen.split(CLEAR)
    assert steps(shown) == [1, 2, 3, 4, 5, 6]
    for text in shown:  # what stands to be overwritten is cut to the terminal, so that it does not wrap
        if text.startswith("step ") and "/6" in text:
            assert "\n" not in text and len(text) < COLUMNS
    # What is left on the screen has no progress in it.
    left = [line.rsplit(CLEAR, 1)[-1] for line in seen.splitlines()]
    assert steps(left) == [] and left[-1].startswith("done")


def test_a_log_file_gets_lines_while_the_terminal_is_overwritten(tmp_path, run):
    code, seen, piped = on_terminal(tmp_path, run, stdout=subprocess.PIPE)
    assert code == 0
    assert steps(piped.splitlines()) == [2, 4, 6] and "\x1b" not in piped
    assert set(steps(seen.split(CLEAR))) == {1, 2, 3, 4, 5, 6}


def test_a_terminal_that_cannot_overwrite_gets_lines(tmp_path, run):
    code, seen, _ = on_terminal(tmp_path, run, term="dumb")
    assert code == 0 and "\x1b" not in seen
    assert steps(seen.splitlines()) == [2, 4, 6]


def test_an_error_does_not_stick_to_the_progress(tmp_path, run):
    (tmp_path / "text.txt").write_bytes(b"a red key\n\n\xff\n")
    code, seen, _ = on_terminal(tmp_path, run)
    assert code == 1
    assert seen.splitlines()[-1].startswith("saobp: ")
