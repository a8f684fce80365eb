#!/usr/bin/env python3
"""A header as Doxygen is to read it: plain // comments document what follows them, or what stands before them on a line."""
import re
import sys


def escaped(text):
    """What Doxygen takes for commands, links and tags is text here; what stands between backticks is left alone."""
    parts = text.split("`")
    parts[::2] = [re.sub(r"([\\@#<>&%])", r"\\\1", part) for part in parts[::2]]
    return "`".join(parts)


def main():
    lines = open(sys.argv[1], encoding="utf-8").read().split("\n")
    if lines[0].startswith("//"):
        print("/// @file")
    for line in lines:
        alone = re.match(r"^(\s*)//(?!/) ?(.*)$", line)
        behind = re.match(r"^(.*[;,{}]\s+)// (.*)$", line)
        if alone:
            print(f"{alone[1]}/// {escaped(alone[2])}")
        elif behind and '"' not in behind[2]:
            print(f"{behind[1]}///< {escaped(behind[2])}")
        else:
            print(line)


main()
