#!/usr/bin/env python3
"""Builds the Python package against a library that is built already, and runs one file of its tests.

    tests/python/run.py FOLDER LIBAUXO.so build        builds it into FOLDER/auxo
    tests/python/run.py FOLDER LIBAUXO.so NAME         runs tests/python/test_NAME.py with it

Needs cffi and numpy (Debian: python3-cffi, python3-numpy; for NAME estimators python3-sklearn); exits with 77 where they
are missing.
"""
import importlib
import pathlib
import subprocess
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
NEEDED = {"build": ["cffi", "pycparser"], "estimators": ["cffi", "numpy", "sklearn"]}


def main():
    folder, library, name = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]), sys.argv[3]
    for module in NEEDED.get(name, ["cffi", "numpy"]):
        try:
            importlib.import_module(module)
        except ImportError as missing:
            print(f"skipped: {missing} (Debian: python3-{module})")
            return 77
    if name == "build":
        native = HERE.parents[1] / "runtime/package/python/native.py"
        return subprocess.run([sys.executable, native, "--build", folder, "--library", library]).returncode
    sys.path[:0] = [str(folder), str(HERE)]
    suite = unittest.defaultTestLoader.loadTestsFromName(f"test_{name}")
    return not unittest.TextTestRunner(verbosity=2).run(suite).wasSuccessful()


if __name__ == "__main__":
    sys.exit(main())
