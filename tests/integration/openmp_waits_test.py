"""How long waiting threads spin: the program's own choice is in force in OpenMP's runtime, and a user's wins."""
import os
import re
import subprocess

import pytest

from conftest import BINARY

OURS = "10000"


def in_force(saobp, monkeypatch, **variables):
    """What the runtime itself says that it works with, and the line of `saobp info`."""
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    done = saobp("info", "--json", env={"OMP_DISPLAY_ENV": "verbose"} | variables)
    return dict(re.findall(r"(\w+) = '([^']*)'", done.err)), done.json["waiting_threads"]


def test_the_default(saobp, monkeypatch):
    runtime, told = in_force(saobp, monkeypatch)
    assert runtime["GOMP_SPINCOUNT"] == OURS
    assert told == f"GOMP_SPINCOUNT={OURS}"


@pytest.mark.parametrize("variables, spins", [
    ({"GOMP_SPINCOUNT": "77"}, "77"),
    ({"OMP_WAIT_POLICY": "passive"}, "0"),
    ({"OMP_WAIT_POLICY": "active", "GOMP_SPINCOUNT": "5000"}, "5000"),
])
def test_a_users_own(saobp, monkeypatch, variables, spins):
    runtime, told = in_force(saobp, monkeypatch, **variables)
    assert runtime["GOMP_SPINCOUNT"] == spins
    assert all(f"{name}={value}" in told for name, value in variables.items())
    for name, value in variables.items():
        assert runtime[name].lower() == value


def test_threads_and_arguments_stay(saobp, monkeypatch):
    runtime, _ = in_force(saobp, monkeypatch, OMP_NUM_THREADS="3")
    assert runtime["OMP_NUM_THREADS"] == "3" and runtime["GOMP_SPINCOUNT"] == OURS
    assert '"a b" is not a command' in saobp("a b", code=2).err
    assert saobp("--version").out.startswith("saobp ")


def test_without_a_name_of_its_own(tmp_path, saobp):
    """Started by a link, the program is the same."""
    (tmp_path / "link").symlink_to(os.path.abspath(BINARY))
    done = subprocess.run([tmp_path / "link", "info"], capture_output=True, text=True, check=True)
    assert "waiting_threads" in done.stdout
