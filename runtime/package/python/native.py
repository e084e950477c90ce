"""Makes auxo/_native: the public headers, run through the C preprocessor, as a cffi module in API mode (abi3).

    native.py SOURCE.c [--headers FOLDER] [--compiler CC]            writes the C source of the module
    native.py --build FOLDER --library LIBAUXO.so [--headers ..]     compiles it as well, into FOLDER/auxo

Nothing of the interface is written here by hand: what the headers declare is what Python sees, and the compiler
compares the two.
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import sysconfig

import cffi

HERE = pathlib.Path(__file__).resolve().parent
HEADERS = ["auxo/run.h", "auxo/train.h", "auxo/metrics.h", "auxo/survival.h", "auxo/onnx.h"]
# What the library calls: implemented in auxo/_run.py and auxo/_library.py.
CALLBACKS = """
extern "Python" void auxo_python_event(void *user, const auxo_event *event);
extern "Python" void auxo_python_log(void *user, auxo_log_level level, const char *message);
"""


def preprocess(headers, compiler):
    """The text of the project's own headers, macros expanded; what system headers declare is left out."""
    source = "".join(f"#include <{name}>\n" for name in HEADERS)
    # Without GNU C, attributes are not there.
    command = [*compiler, "-E", "-U__GNUC__", "-D__inline=inline", "-I", str(headers), "-xc", "-"]
    text = subprocess.run(command, input=source, capture_output=True, text=True, check=True).stdout
    kept, ours = [], False
    for line in text.splitlines():
        marker = re.match(r'# \d+ "(.*?)"', line)
        if marker:
            ours = "/auxo/" in marker.group(1) and marker.group(1).startswith(str(headers))
        elif ours and not line.startswith("#"):
            kept.append(line)
    return "\n".join(kept)


def without_bodies(text):
    """Inline functions have bodies, which cffi does not read; Python does without these functions."""
    text = re.sub(r"^static inline [^{;]*\{.*?^\}", "", text, flags=re.M | re.S)
    return re.sub(r"^\s*extern \"C\".*$", "", text, flags=re.M)


def builder(headers, compiler):
    ffi = cffi.FFI()
    ffi.cdef(without_bodies(preprocess(headers, compiler)) + "\nvoid free(void *memory);\n" + CALLBACKS)
    includes = "".join(f"#include <{name}>\n" for name in HEADERS) + "#include <stdlib.h>\n"
    ffi.set_source("auxo._native", includes)
    return ffi


def build(source, folder, library, headers, compiler):
    """A module in folder/auxo beside copies of the Python files, bound to the library where it lies."""
    package = folder / "auxo"
    shutil.copytree(HERE / "auxo", package, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    library = library.resolve()
    command = [*compiler, "-shared", "-fPIC", "-O2", f"-I{headers}", f"-I{sysconfig.get_paths()['include']}",
               str(source), str(library), f"-Wl,-rpath,{library.parent}", "-o", str(package / "_native.abi3.so")]
    subprocess.run(command, check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", nargs="?", type=pathlib.Path)
    parser.add_argument("--headers", type=pathlib.Path, default=HERE.parents[2] / "include")
    parser.add_argument("--compiler", default=os.environ.get("CC", "cc"))
    parser.add_argument("--build", type=pathlib.Path)
    parser.add_argument("--library", type=pathlib.Path)
    options = parser.parse_args()
    if not options.source and not options.build:
        parser.error("a SOURCE.c, or --build FOLDER")
    if options.build and not options.library:
        parser.error("--build needs --library LIBAUXO.so")
    source = options.source or options.build / "_native.c"
    compiler = options.compiler.split()
    source.parent.mkdir(parents=True, exist_ok=True)
    builder(options.headers, compiler).emit_c_code(str(source))
    if options.build:
        build(source, options.build, options.library, options.headers, compiler)


if __name__ == "__main__":
    sys.exit(main())
