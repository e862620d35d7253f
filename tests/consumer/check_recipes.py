#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The Conan recipe is valid Python, the vcpkg port valid JSON; both name what the library needs.

usage: check_recipes.py LIBRARY VERSION
"""
import ast
import json
import pathlib
import re
import sys

library, version = pathlib.Path(sys.argv[1]), sys.argv[2]

recipe = (library / "cmake/conan/conanfile.py").read_text()
ast.parse(recipe)
(pattern,) = re.findall(r'findall\(r"(.*?)", config\)', recipe)
config = (library / "include/multiprocessing/core/config.hpp").read_text()
assert ".".join(re.findall(pattern, config)) == version, "conanfile.py finds another version"

port = json.loads((library / "cmake/vcpkg/vcpkg.json").read_text())
assert port["version-semver"] == version, "vcpkg.json has another version"

used = set()
for header in (library / "include").rglob("*.hpp"):
    used.update(re.findall(r"#include <boost/(\w+)[/.]", header.read_text()))
needed = {"archive": "serialization"}
ported = {name for name in port["dependencies"] if isinstance(name, str)}
for feature in port["features"].values():
    ported.update(feature["dependencies"])
for name in used:
    assert f"boost-{needed.get(name, name)}" in ported, f"vcpkg.json lacks boost-{name}"

changes = (library / "CHANGELOG.md").read_text()
assert f"\n## {version}" in changes, f"CHANGELOG.md says nothing about {version}"
