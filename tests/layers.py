#!/usr/bin/env python3
"""Checks that each module of src imports only from the layers below it, and that diesel, actix and
actix-web are used only in their layers. HTTP and the command line leave the database to services.

    python3 tests/layers.py

src/lib.rs describes the layers.
"""

import re
import sys
from pathlib import Path

LAYERS = [
    ["domain", "failpoints"],
    ["deadline", "entropy", "i18n", "tls"],
    ["config"],
    ["telemetry"],
    ["mail", "store", "webhook"],
    ["receipt", "tasks"],
    ["actors"],
    ["auth"],
    ["services"],
    ["http"],
    ["app"],
    ["cli"],
]
RANK = {module: rank for rank, modules in enumerate(LAYERS) for module in modules}
WITHOUT_DATABASE_CODE = {"http", "cli"}
CRATES = {"diesel": {"store"}, "diesel_migrations": {"store"}, "actix": {"actors", "app"}, "actix_web": {"http", "app", "cli"}}


def modules_in(braces):
    """The first segments of a list in braces: `a::b, c::{d, e}` gives a and c."""
    flat = re.sub(r"\{[^{}]*\}", "", braces)
    return re.findall(r"(?:^|,)\s*(\w+)", flat)


def problems(path, source):
    module = path.relative_to(ROOT / "src").parts[0].removesuffix(".rs")
    if module not in RANK:
        return
    imports = re.findall(r"\bcrate::(\w+)", source)
    for braces in re.findall(r"\bcrate::\{((?:[^{}]|\{[^{}]*\})*)\}", source):
        imports += modules_in(braces)
    for imported in sorted(set(imports)):
        if imported in RANK and imported != module and RANK[imported] >= RANK[module]:
            yield f"{path.relative_to(ROOT)}: {module} imports {imported}, which is not below it"
    if module in WITHOUT_DATABASE_CODE and re.search(r"\|conn\b|&mut Conn\b", source):
        yield f"{path.relative_to(ROOT)}: a closure uses the database; move it to services"
    for crate, owners in CRATES.items():
        if module not in owners and re.search(rf"(?<![\w:]){crate}::", source):
            yield f"{path.relative_to(ROOT)}: only {' and '.join(sorted(owners))} use {crate}"


ROOT = Path(__file__).resolve().parent.parent
found = []
for path in sorted((ROOT / "src").rglob("*.rs")):
    code = "\n".join(line for line in path.read_text().splitlines() if not line.lstrip().startswith("//"))
    found += problems(path, code)
unranked = {p.name.removesuffix(".rs") for p in (ROOT / "src").iterdir()} - set(RANK) - {"main", "lib", "fuzzing"}
found += [f"src/{module} is in no layer: add it to tests/layers.py and src/lib.rs" for module in sorted(unranked)]
print("\n".join(found) if found else "layers: ok")
sys.exit(bool(found))
