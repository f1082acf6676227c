#!/usr/bin/env python3
"""Requires a doc comment at every public type, trait, function and macro in src.

    python3 tests/comments.py

rustc's `missing_docs` would also require one at every field and variant.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ITEM = re.compile(
    r"^\s*pub (?:const )?(?:async )?(?:unsafe )?(?P<kind>fn|struct|enum|trait|type|union) (?P<name>\w+)"
)
# The lines that may be between a doc comment and its item.
ATTRIBUTE = re.compile(r"^\s*#\[")


def undocumented(lines):
    """The public items without a doc comment, as (line number, kind, name)."""
    documented, depth = False, 0
    for number, line in enumerate(lines, 1):
        if line.startswith("#[cfg(test)]"):
            return
        text = line.strip()
        documented = documented or text.startswith("#[doc")
        if depth or ATTRIBUTE.match(line):
            # An attribute may go on for several lines.
            depth += text.count("[") + text.count("(") - text.count("]") - text.count(")")
            continue
        if text.startswith("///"):
            documented = True
            continue
        if (item := ITEM.match(line)) and not documented:
            yield number, item["kind"], item["name"]
        documented = False


def main():
    found = [
        f"{path.relative_to(ROOT)}:{number}: {kind} {name} has no doc comment"
        for path in sorted((ROOT / "src").rglob("*.rs"))
        for number, kind, name in undocumented(path.read_text().splitlines())
    ]
    print("\n".join(found), end="\n" if found else "")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
