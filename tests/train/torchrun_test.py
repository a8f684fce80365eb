"""Ranks that train together: the suites of distributed_test.cpp and ranks_step_test.cpp in several processes, and what happens when one is lost."""
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

import pytest

from conftest import BINARY

PROGRAM = pathlib.Path(BINARY).with_name("test_train")
WITH_MODELS = PROGRAM.with_name("test_recipes")
# Torchrun's own, and its threads; nothing of it may come from around the tests.
CLEAN = {name: value for name, value in os.environ.items()
         if not name.startswith(("TORCHELASTIC_", "MASTER_", "SAOBP_TEST_")) and "RANK" not in name and name != "WORLD_SIZE"}


@pytest.fixture(autouse=True)
def program():
    for each in (PROGRAM, WITH_MODELS):
        assert each.exists(), f"{each} is not built"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def torchrun(ranks, *arguments, suite, program=PROGRAM):
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(ranks), "--master-port",
               str(free_port()), *arguments, "--no-python", str(program), f"--gtest_filter={suite}.*"]
    done = subprocess.run(command, env=CLEAN, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)
    assert done.returncode == 0, done.stdout
    return done.stdout


def start_rank(rank, size, port, timeout, stop=signal.SIGKILL):
    """One rank without torchrun, which would end the others before they say what they see."""
    env = CLEAN | {"RANK": str(rank), "WORLD_SIZE": str(size), "LOCAL_RANK": str(rank), "MASTER_ADDR": "127.0.0.1",
                   "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1", "SAOBP_TEST_RANK_TIMEOUT": str(timeout),
                   "SAOBP_TEST_SIGNAL": str(int(stop))}
    return subprocess.Popen([str(PROGRAM), "--gtest_filter=LostRank.*"], env=env, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def error_of(process, within):
    """The one line that the rank's error is; nothing else may be printed."""
    out, err = process.communicate(timeout=within)
    assert process.returncode == 0, out + err
    assert err == ""
    return re.search(r"^error: (.*)$", out, re.MULTILINE)[1]


@pytest.mark.parametrize("ranks", [2, 3])
def test_ranks_equal_one_process(ranks):
    out = torchrun(ranks, suite="Ranks")
    assert len(re.findall(r"PASSED.* [89] tests", out)) == ranks, out


def test_a_step_of_ranks_equals_one_process():
    out = torchrun(2, suite="RanksStep", program=WITH_MODELS)
    assert len(re.findall(r"PASSED.* 2 tests", out)) == 2, out


def test_a_killed_rank_is_started_again():
    out = torchrun(2, "--max-restarts", "1", suite="Restarted")
    assert re.findall(r"attempt \d done", out) == ["attempt 1 done"] * 2, out


def test_the_others_of_a_killed_rank_end_at_once():
    port = free_port()
    first, last = (start_rank(rank, 2, port, timeout=100) for rank in range(2))
    assert last.wait(timeout=60) == -signal.SIGKILL
    error = error_of(first, within=20)
    assert re.fullmatch(r"rank 0 of 2: summing over the ranks failed: .*(closed|reset) by peer[^.]*[^ ]*\. "
                        r"Another rank has ended or cannot be reached; its own message says why", error), error


def test_the_others_of_a_stopped_rank_end_after_the_timeout():
    port = free_port()
    first, last = (start_rank(rank, 2, port, timeout=3, stop=signal.SIGSTOP) for rank in range(2))
    try:
        error = error_of(first, within=40)
        assert re.match(r"rank 0 of 2: summing over the ranks failed: Timed out waiting 3000ms", error), error
    finally:
        last.kill()
        last.communicate()


@pytest.mark.parametrize("rank", [0, 1])
def test_a_rank_that_nobody_meets_ends_after_the_timeout(rank):
    port = free_port()
    start = time.monotonic()
    error = error_of(start_rank(rank, 2, port, timeout=3), within=40)
    assert time.monotonic() - start > 2.5
    assert error.startswith(f"rank {rank} of 2: meeting the other ranks at 127.0.0.1:{port} failed: "), error
    assert error.endswith(" (--rank-timeout is 3 seconds)")
