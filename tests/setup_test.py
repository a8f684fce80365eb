"""scripts/setup.sh in a copy of its own, with a dpkg-query and an apt-get that only pretend."""

import os
import pathlib
import shutil
import stat
import subprocess
import tempfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
NOBODY = 65534

# Every package is installed but those that MISSING names.
DPKG_QUERY = """#!/bin/bash
shift 3
for package in "$@"; do
  [[ " $MISSING " == *" $package "* ]] || echo "$package installed"
done
"""
APT_GET = """#!/bin/bash
echo "$*" >> "$CALLS"
[[ "$*" != *" install "* || -z "${BROKEN:-}" ]] || { echo "E: nothing is reachable"; exit 100; }
"""
APT_CACHE = """#!/bin/bash
shift
for package in "$@"; do printf '%s:\\n  Candidate: 1.0\\n' "$package"; done
"""
NO_SUDO = "#!/bin/bash\nexit 1\n"


@pytest.fixture
def checkout():
    """A folder with the scripts and requirements, fake tools, and a LibTorch, so that no wheel is fetched."""
    # Not pytest's tmp_path: that lies in a folder which only its maker may enter.
    with tempfile.TemporaryDirectory(prefix="saobp-setup-") as folder:
        yield fill(pathlib.Path(folder))


def fill(tmp_path):
    (tmp_path / "scripts").mkdir()
    for name in ("setup.sh", "common.sh"):
        shutil.copy(ROOT / "scripts" / name, tmp_path / "scripts")
    shutil.copy(ROOT / "requirements.txt", tmp_path)
    (tmp_path / "bin").mkdir()
    fakes = {"dpkg-query": DPKG_QUERY, "apt-get": APT_GET, "apt-cache": APT_CACHE, "sudo": NO_SUDO}
    for name, text in fakes.items():
        path = tmp_path / "bin" / name
        path.write_text(text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    torch = tmp_path / "libtorch" / "share" / "cmake" / "Torch"
    torch.mkdir(parents=True)
    (torch / "TorchConfig.cmake").touch()
    return tmp_path


def setup(checkout, *arguments, prefix=(), **variables):
    environment = {
        "PATH": f"{checkout}/bin{os.pathsep}{os.defpath}",
        "CMAKE_PREFIX_PATH": f"{checkout}/none:{checkout}/libtorch",
        "CALLS": str(checkout / "calls"),
        "MISSING": "",
        **variables,
    }
    return subprocess.run([*prefix, "bash", "scripts/setup.sh", *arguments], cwd=checkout, env=environment, text=True,
                          stdin=subprocess.DEVNULL, capture_output=True)


def calls(checkout):
    path = checkout / "calls"
    return path.read_text().splitlines() if path.exists() else []


def test_nothing_is_missing(checkout):
    done = setup(checkout)
    assert done.returncode == 0, done.stderr
    assert "nothing was missing" in done.stdout
    assert f"{checkout}/libtorch" in done.stdout, "the LibTorch in use is named"
    assert calls(checkout) == []
    assert not (checkout / ".venv").exists(), "an installed LibTorch needs no wheel"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root installs packages without asking")
def test_root_installs_only_what_is_missing(checkout):
    done = setup(checkout, MISSING="ccache libhwy-dev")
    assert done.returncode == 0, done.stderr
    assert "Installing Debian packages: ccache libhwy-dev" in done.stdout
    assert len(calls(checkout)) == 1, "the lists are not fetched without need"
    assert calls(checkout)[0].endswith("install -y --no-install-recommends ccache libhwy-dev")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root installs packages without asking")
def test_failure_shows_why(checkout):
    done = setup(checkout, MISSING="ccache", BROKEN="1")
    assert done.returncode == 1
    assert "E: nothing is reachable" in done.stderr and "setup.log" in done.stderr
    assert any(call.endswith(" update") for call in calls(checkout)), "stale lists are fetched before giving up"


def test_others_are_told_the_command(checkout):
    prefix = ()
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("setpriv is needed to run without root's rights")
        prefix = ("setpriv", f"--reuid={NOBODY}", "--clear-groups")
        for path in [checkout, *checkout.rglob("*")]:
            os.chown(path, NOBODY, NOBODY)
    done = setup(checkout, prefix=prefix, MISSING="ninja-build")
    assert done.returncode == 1
    assert "apt-get update && apt-get install -y --no-install-recommends ninja-build" in done.stderr
    assert calls(checkout) == []


def test_unknown_flag(checkout):
    done = setup(checkout, "--bogus")
    assert done.returncode == 2 and "usage" in done.stderr
