"""Who may include whom: every #include in saobp/ and every room's USES list is held against one table."""

import os
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent

# A room may include itself and these, never a room above or beside it.
MAY_INCLUDE = {
    "io": set(),
    "text": {"io"},
    "data": {"text", "io"},
    "attention": set(),
    "model": {"attention", "io"},
    "pretrained": {"model", "text", "attention", "io"},
    "analysis": {"pretrained", "model", "data", "text", "attention", "io"},
    "scores": {"io"},
    "tasks": {"pretrained", "scores", "model", "data", "text", "attention", "io"},
    "train": {"model", "attention", "io"},
    "report": {"scores", "io"},
}
MAY_INCLUDE["recipes"] = set(MAY_INCLUDE) - {"report"}
MAY_INCLUDE["cli"] = set(MAY_INCLUDE)
# These rooms work on bytes, text and files; they build without LibTorch.
WITHOUT_TORCH = {"io", "text", "data", "scores", "report"}

_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)
# Operators throw as LibTorch's own do; everything above them throws saobp::Error. The command line prints, and no library.
_THROWS = re.compile(r"\bTORCH_CHECK\w*\(")
_PRINTS = re.compile(r"\bstd::(cout|cerr|clog)\b|\b(std::)?(printf|fprintf|puts|fputs|putchar)\(")
_TORCH = re.compile(r"^(torch|ATen|c10|caffe2)/")


def violations(room, folder, text):
    """What is wrong with the includes of a file with this text, in `folder` (a path) of `room`."""
    found = []
    for bracket, name in _INCLUDE.findall(text):
        if name.startswith("saobp/"):
            target = name.split("/")[1]
            if target != room and target not in MAY_INCLUDE[room]:
                found.append(f"{room} may not include {target}: {name}")
            elif not (ROOT / name).exists():
                found.append(f"there is no {name}")
        elif bracket == '"' and os.path.exists(os.path.normpath(folder / name)):
            found.append(f"give the path from the project's root: {name}")
        elif room in WITHOUT_TORCH and _TORCH.match(name):
            found.append(f"{room} does without LibTorch: {name}")
    if room != "attention" and _THROWS.search(text):
        found.append(f"{room} throws by fail() of io/error.h")
    if room != "cli" and _PRINTS.search(text):
        found.append(f"{room} may not print")
    return found


def cmake_rooms(text):
    """{room: the rooms it links} from the text of the root CMakeLists.txt."""
    calls = re.findall(r"^saobp_room\((\w+)\s+USES\b(.*?)(?:\bLIBS\b|\))", text, re.MULTILINE | re.DOTALL)
    return {room: set(uses.split()) for room, uses in calls}


def rooms():
    return sorted(path.name for path in (ROOT / "saobp").iterdir() if any(path.rglob("*.h")) or any(path.rglob("*.cpp")))


@pytest.mark.parametrize("room", rooms())
def test_includes(room):
    assert room in MAY_INCLUDE, f"saobp/{room} is a new room: say in this table what it may include"
    found = []
    for path in sorted((ROOT / "saobp" / room).rglob("*")):
        if path.suffix in (".h", ".cpp"):
            found += [f"{path.relative_to(ROOT)}: {what}" for what in violations(room, path.parent, path.read_text())]
    assert not found, "\n".join(found)


def test_linked_rooms():
    linked = cmake_rooms((ROOT / "CMakeLists.txt").read_text())
    assert set(rooms()) <= set(linked), "a room has sources but no saobp_room() in CMakeLists.txt"
    for room, uses in linked.items():
        assert uses <= MAY_INCLUDE[room], f"{room} links rooms that it may not include"


@pytest.mark.parametrize(
    "room, line, what",
    [
        ("io", '#include "saobp/text/tokenizer.h"', "io may not include text"),
        ("attention", '#include "saobp/io/error.h"', "attention may not include io"),
        ("analysis", '#include "saobp/train/trainer.h"', "analysis may not include train"),
        ("report", "# include <saobp/model/bert.h>", "report may not include model"),
        ("text", "#include <torch/torch.h>", "text does without LibTorch"),
        ("data", "#include <ATen/ATen.h>", "data does without LibTorch"),
        ("io", '#include "error.h"', "give the path from the project's root"),
        ("text", '#include "../io/error.h"', "give the path from the project's root"),
        ("text", '#include "saobp/io/no_such_header.h"', "there is no"),
        ("train", "TORCH_CHECK(x);", "train throws by fail()"),
        ("data", 'std::fprintf(stderr, "x");', "data may not print"),
        ("train", "std::cerr << 1;", "train may not print"),
    ],
)
def test_a_violation_is_found(room, line, what):
    found = violations(room, ROOT / "saobp" / room, f"#pragma once\n{line}\nint x;\n")
    assert len(found) == 1 and what in found[0]


@pytest.mark.parametrize(
    "room, line",
    [
        ("text", '#include "saobp/io/error.h"'),
        ("io", '#include "saobp/io/error.h"'),
        ("model", "#include <torch/types.h>"),
        ("attention", '#include "hwy/foreach_target.h"'),
        ("io", "#include <string>"),
        ("attention", "TORCH_CHECK(x);"),
        ("cli", 'std::fprintf(stderr, "x");'),
        ("io", 'std::snprintf(text, sizeof text, "x");'),
    ],
)
def test_what_is_allowed(room, line):
    assert violations(room, ROOT / "saobp" / room, line) == []


def test_cmake_lists_are_read():
    text = "saobp_room(io        USES           LIBS a::b)\nsaobp_room(text USES io model\n  LIBS c)\n"
    assert cmake_rooms(text) == {"io": set(), "text": {"io", "model"}}
