"""The examples below tests/examples/ and those of the READMEs run as they stand."""
import os
import pathlib
import re
import subprocess
import sys
import unittest

from support import TestCase, named_devices

ROOT = pathlib.Path(__file__).resolve().parents[2]


def run(arguments, folder):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True,
                          timeout=100)
    if done.returncode:
        raise AssertionError(done.stdout + done.stderr)
    return done.stdout


def python_of(readme):
    return re.search(r"```python\n(.*?)```", (ROOT / readme).read_text(), re.S).group(1)


class Examples(TestCase):
    def test_files(self):
        for example in sorted((ROOT / "tests/examples").glob("*.py")):
            for device in named_devices() if example.stem == "arrays_and_events" else ["cpu"]:
                with self.subTest(f"{example.name} on {device}"):
                    told = run([str(example), device], self.folder)
                    right = re.search(r"held out, right: (\S+)", told)
                    self.assertTrue(not right or float(right.group(1)) > 0.75, told)

    def test_readme(self):
        try:
            import sklearn  # noqa: F401
        except ImportError as missing:
            raise unittest.SkipTest(str(missing))
        text = python_of("README.md")
        self.assertLessEqual(len(text.strip().splitlines()), 8)
        for code in (text, python_of("runtime/package/python/README.md")):
            accuracy = float(re.search(r"0\.\d+", run(["-c", code.replace('"auto"', '"cpu"')], self.folder)).group())
            self.assertGreater(accuracy, 0.85)
            self.assertTrue(os.path.exists(self.path("digits.safetensors")))
