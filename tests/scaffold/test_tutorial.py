"""The tutorial works line by line, and in the end there is a connector that is gold."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from following import Reader, blocks
from scaffold_kit import environment

PAGE = Path(__file__).parents[2] / "docs" / "author" / "tutorial.md"


@pytest.mark.slow
def test_the_tutorial_works_as_written(tmp_path):
    reader = Reader(environment(tmp_path / "env"), tmp_path, tmp_path / "crossdock-brook")
    payloads = []
    try:
        for language, text in blocks(PAGE):
            if language == "json":
                payloads.append(json.loads(text))
            if "test_mapping.py --crossdock-update-golden" in text:
                # The page says in a sentence that the payload of the help page goes there.
                (reader.connector / "tests" / "samples" / "orders.json").write_text(json.dumps(payloads[0]))
            reader.read(language, text)
    finally:
        reader.stop()

    assert json.loads((reader.connector / "tests" / "golden" / "orders.json").read_text()) == payloads[1]
    assert json.loads((reader.connector / "src" / "crossdock_brook" / "contract.json").read_text())["level"] == "gold"
    for command in ("check", "format --check"):
        linted = [sys.executable, "-m", "ruff", *command.split(), "."]
        done = subprocess.run(linted, cwd=reader.connector, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
