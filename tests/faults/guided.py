"""As ``inputs.py``, but atheris varies the inputs: what reaches new lines of digitlib is varied on.

Run as ``python guided.py KIND COUNT``. Of the bytes that atheris tries not all make an input.
"""

from __future__ import annotations

import atexit
import importlib
import json
import pkgutil
import sys

import atheris

# Whatever is imported here counts its lines: all that reads what is given.
with atheris.instrument_imports(include=["digitlib"]):
    for name in ("digitlib.preprocessing", "digitlib.models"):
        for module in pkgutil.iter_modules(importlib.import_module(name).__path__, f"{name}."):
            importlib.import_module(module.name)
    from inputs import measured

OPTIONS = ("-seed=1", "-max_len=4096", "-len_control=0", "-rss_limit_mb=0", "-verbosity=0")

if __name__ == "__main__":
    run, found = measured(sys.argv[1], int(sys.argv[2]))
    atexit.register(lambda: print(json.dumps(found())))
    atheris.Setup(
        [sys.argv[0], f"-atheris_runs={sys.argv[2]}", *OPTIONS], run.hypothesis.fuzz_one_input
    )
    atheris.Fuzz()
