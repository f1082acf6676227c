#!/usr/bin/env python3
"""Limits words of a mannered style to one per 1,000 words of comments and docs.

    python3 tests/words.py

Counts them separately in the comments of src, tests (with examples and fuzz) and benches, and in the
Markdown pages. Above the limit in one of them, it lists the lines and exits with status 1.
CONTRIBUTING.md describes the style.
"""

import re
import sys
from pathlib import Path

PER_THOUSAND = 1.0
ROOT = Path(__file__).resolve().parent.parent
MANNERED = re.compile(
    r"\b(told|tells?|telling|whoever|whomever|whom|somebody|nobody|anew|astray|lest|besides|thereby"
    r"|as good as|at the most|at the least|be it|so many|by itself|one who|those who|who has"
    r"|what is|what has|what was|what came)\b",
    re.IGNORECASE,
)
WORD = re.compile(r"[A-Za-z']+")
SLASHES = re.compile(r"(?:^|\s)//[/!]?(?:\s+|$)(.*)")
HASH = re.compile(r"^\s*#(?!!)\s?(.*)")
DASHES = re.compile(r"(?:^|\s)--\s(.*)")
# The suffixes of files with comments. A file without suffix is a script.
COMMENTS = {".rs": SLASHES, ".js": SLASHES, ".ftl": HASH, ".py": HASH, ".toml": HASH, ".sql": DASHES, "": HASH}


def files(*folders):
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and not {"target", "corpus", "__pycache__"} & set(path.parts):
                yield path


def comments(*folders):
    """The comment lines, as (path, line number, text)."""
    for path in files(*folders):
        pattern = COMMENTS.get(path.suffix)
        if pattern and path != Path(__file__).resolve():
            for number, line in enumerate(path.read_text().splitlines(), 1):
                if found := pattern.search(line):
                    yield path, number, found[1]


def pages():
    """The lines of the Markdown pages, as (path, line number, text)."""
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        if not path.name.startswith("LICENSE"):
            for number, line in enumerate(path.read_text().splitlines(), 1):
                yield path, number, line


def main():
    failed = False
    for name, lines in (
        ("src", comments("src", "migrations")),
        ("tests", comments("tests", "examples", "fuzz")),
        ("benches", comments("benches")),
        ("docs", pages()),
    ):
        words, found = 0, []
        for path, number, text in lines:
            words += len(WORD.findall(text))
            found += [f"{path.relative_to(ROOT)}:{number}: {match[0]}" for match in MANNERED.finditer(text)]
        rate = 1000 * len(found) / max(words, 1)
        print(f"words: {name}: {len(found)} in {words} ({rate:.2f} per 1,000)")
        if rate > PER_THOUSAND:
            failed = True
            print("\n".join(found))
    if failed:
        print(f"error: more than {PER_THOUSAND:g} per 1,000; use plain words (CONTRIBUTING.md)", file=sys.stderr)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
