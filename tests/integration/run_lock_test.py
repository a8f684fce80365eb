"""A run folder and the one process that trains in it."""
import fcntl
import json
import os
import shutil
import signal
import struct
import subprocess
import time

import pytest

from bad_input_test import one_line
from conftest import BINARY, with_flags
from pretrain_test import assert_same_weights, metrics

NO_LOCKS = r"""
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
static int answer(const char* name, int fd, int command, void* argument) {
  if (command == 37 || command == 36) { errno = ENOLCK; return -1; }  /* F_OFD_SETLK, F_OFD_GETLK */
  return ((int (*)(int, int, void*))dlsym(RTLD_NEXT, name))(fd, command, argument);
}
#define ANSWER(name) int name(int fd, int command, ...) { \
  va_list list; va_start(list, command); void* argument = va_arg(list, void*); va_end(list); \
  return answer(#name, fd, command, argument); }
ANSWER(fcntl)
ANSWER(fcntl64)
"""


def start(folder, arguments, **variables):
    return subprocess.Popen([BINARY, *map(str, arguments)], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True, env=os.environ | {"SAOBP_CACHE": str(folder / "cache")} | variables)


def wait_for(condition, process):
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def has_lines(log, lines):
    return lambda: log.exists() and log.read_text().count("\n") >= lines


@pytest.fixture
def endless(setting):
    return with_flags(setting, steps=1000000, log_every=1, checkpoint_every=1000000, validate_every=1000000, output="run")


@pytest.fixture
def training(tmp_path, endless):
    """A run that trains until somebody ends it."""
    process = start(tmp_path, endless)
    wait_for(has_lines(tmp_path / "run/metrics.jsonl", 3), process)
    yield process
    process.kill()
    process.communicate()


def test_a_run_that_trains_is_left_alone(tmp_path, saobp, endless, training):
    record = (tmp_path / "run/run.json").stat()
    written = record.st_ino, record.st_mtime_ns
    done = saobp("pretrain", "--resume", "run", code=1)
    one_line(done, "run: ", f"process {training.pid} on ", "trains in this folder")
    one_line(saobp("pretrain", "--resume", "run/", "--steps", 7, code=1), f"process {training.pid} on ")
    one_line(saobp(*endless, code=1), "run: exists already", f"process {training.pid} on ")
    record = (tmp_path / "run/run.json").stat()
    assert (record.st_ino, record.st_mtime_ns) == written
    training.send_signal(signal.SIGINT)
    assert training.wait(timeout=60) == 130
    steps = [m["step"] for m in metrics(tmp_path / "run")]
    assert steps == list(range(1, len(steps) + 1))
    assert "from step" in saobp("pretrain", "--resume", "run", "--steps", steps[-1] + 2).out


def test_the_lock_of_a_killed_process_is_gone_with_it(tmp_path, saobp, training):
    training.send_signal(signal.SIGKILL)
    training.wait()
    assert "from the start" in saobp("pretrain", "--resume", "run", "--steps", 3).out


def test_of_two_that_make_the_same_run_one_does(tmp_path, saobp, setting):
    command = with_flags(setting, steps=30, log_every=1, output="run/")
    processes = [start(tmp_path, command) for _ in range(2)]
    said = [process.communicate(timeout=300) for process in processes]
    codes = [process.returncode for process in processes]
    assert sorted(codes) == [0, 1], said
    error = said[codes.index(1)][1]
    assert error.startswith("saobp: run: exists already") and error.count("\n") == 1, error
    saobp(*with_flags(command, output="alone"))
    assert metrics(tmp_path / "run") == metrics(tmp_path / "alone")
    assert_same_weights(tmp_path / "run", tmp_path / "alone")
    assert not list(tmp_path.glob("*.partial*"))
    assert json.loads((tmp_path / "run/run.json").read_text())["final"]["step"] == 30


@pytest.mark.parametrize("removed", [False, True])
def test_a_folder_that_goes_away_is_noticed(tmp_path, saobp, training, removed):
    if removed:
        shutil.rmtree(tmp_path / "run")
    else:
        os.rename(tmp_path / "run", tmp_path / "elsewhere")
    out, error = training.communicate(timeout=60)
    assert training.returncode == 1 and "done" not in out
    assert error.startswith("saobp: run: this folder, or .lock in it, was moved, removed or replaced") and error.count("\n") == 1
    assert not (tmp_path / "run").exists()
    if not removed:
        saobp("pretrain", "--resume", "elsewhere", "--steps", 3)


def test_a_restart_waits_for_the_old_process(tmp_path, saobp, setting):
    command = [*setting, "--steps", 6, "--log-every", 1, "--checkpoint-every", 3, "--output", "run"]
    saobp(*command)
    shutil.rmtree(tmp_path / "run/checkpoints/step-000006")
    record = json.loads((tmp_path / "run/run.json").read_text())
    (tmp_path / "run/run.json").write_text(json.dumps(record | {"finished": None, "final": None}))
    again = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500",
             "TORCHELASTIC_RESTART_COUNT": "1"}
    with open(tmp_path / "run/.lock", "r+") as lock:
        fcntl.fcntl(lock, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
        process = start(tmp_path, command, **again)
        waiting = process.stdout.readline()
        assert "for the end of process" in waiting, (waiting, process.communicate())
        assert process.poll() is None
    out, error = process.communicate(timeout=60)
    assert process.returncode == 0 and "resuming run from step 3" in out, out + error


def test_a_file_system_without_locks_is_named(tmp_path, saobp, setting):
    compiler = shutil.which("cc") or shutil.which("c++")
    if compiler is None:
        pytest.skip("there is no compiler for a library that takes the locks away")
    (tmp_path / "no_locks.c").write_text("#define _GNU_SOURCE\n" + NO_LOCKS)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", "no_locks.so", "no_locks.c", "-ldl"], cwd=tmp_path, check=True)
    preload = {"LD_PRELOAD": " ".join(filter(None, [os.environ.get("LD_PRELOAD"), str(tmp_path / "no_locks.so")]))}
    done = saobp(*setting, "--steps", 2, "--output", "run", env=preload)
    said = "lock        run: this file system has no locks (No locks available)"
    assert said in done.out
    assert said in saobp("pretrain", "--resume", "run", "--steps", 3, env=preload).out
    assert said not in saobp("pretrain", "--resume", "run", "--steps", 4).out
