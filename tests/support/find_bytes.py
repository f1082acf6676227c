"""Searches files of any type for byte strings.

    find_bytes.py < INPUT

The input is JSON: `needles`, each `[name, base64]`, and `files`, a list of paths.
The output is JSON: a list of `[name, path, offset]`, the first occurrence of each needle in
each file.
"""

import base64
import json
import sys


def main():
    question = json.load(sys.stdin)
    needles = [(name, base64.b64decode(needle)) for name, needle in question["needles"]]
    found = []
    for path in question["files"]:
        with open(path, "rb") as file:
            content = file.read()
        for name, needle in needles:
            offset = content.find(needle)
            if offset >= 0:
                found.append([name, path, offset])
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
