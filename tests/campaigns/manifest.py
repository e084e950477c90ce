#!/usr/bin/env python3
"""Random manifests for datasets/fetch.sh: whatever they say, nothing outside the data folder changes, and what is kept has a
sum that the manifest names.

    tests/campaigns/manifest.py [--cases 1000] [--seed 1]

The shell script runs with a downloader of its own, which writes a text, an archive, or nothing. A case fails if a file
outside the data folder is made, changed or removed, if a file without a sum of the manifest is kept, or if it takes 30
seconds; its manifest is printed. Ends with status 1 if a case failed.
"""
import argparse
import hashlib
import io
import os
import pathlib
import random
import subprocess
import sys
import tarfile
import tempfile
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEXT = b"a file\n"
SUM = hashlib.sha256(TEXT).hexdigest()
NAMES = ["a.bin", "b/c.bin", "..", "../outside/x", "/tmp/x", "-rf", "--help", "a/../../outside/x", "a/./b", "", ".", "*",
         "$(touch ../outside/x)", "`touch ../outside/x`", ";touch", "a;touch", "|tee", ">x", "a\tb", "%s%n", "..a", "a..",
         "outside", "é", "x" * 300, "a.gz", "a.xz", "~", "~root", "\\", "'", '"', "a'b", "a&b", "../data", "b//c", "-/x"]
SUMS = [SUM, "-", "0" * 64, SUM.upper(), SUM[:-1], "", "$SUM", "*"]
KINDS = ["file", "file", "file", "archive", "member", "member", "folder", "manual", "licence", "home", "alias", "set", "#",
         "FILE", "file;touch", "-"]
CURL = """#!/bin/sh
while [ $# -gt 0 ]; do [ "$1" = --output ] && out=$2; url=$1; shift; done
case $url in *tar*) cp "$SERVED/tar" "$out" ;; *zip*) cp "$SERVED/zip" "$out" ;; *none*) exit 22 ;; *) cp "$SERVED/text" "$out" ;; esac
"""


def serve(folder):
    """What the downloader gives: a text, and archives with members that point outside."""
    folder.mkdir()
    (folder / "text").write_bytes(TEXT)
    with tarfile.open(folder / "tar", "w:gz") as archive, zipfile.ZipFile(folder / "zip", "w") as other:
        for name in ("a.bin", "b/c.bin", "../outside/x", "/tmp/auxo-outside", "-rf"):
            member = tarfile.TarInfo(name)
            member.size = len(TEXT)
            archive.addfile(member, io.BytesIO(TEXT))
            other.writestr(name, TEXT)


def line(draw):
    url = draw.choice(["http://h/f", "http://h/none", "http://h/t.tar.gz", "-", "", "file:///etc/passwd", "--config=/x",
                       "http://h/a.zip http://h/f"])
    kind = draw.choice(KINDS)
    if kind == "folder":
        return f"folder {draw.choice(NAMES + ['d', 'd', 'd'])}"
    if kind in ("set", "alias"):
        return f"{kind} {draw.choice(['one', 'two'] + NAMES)} {draw.choice(['one', 'two'])}"
    name = draw.choice(NAMES[:2] * 8 + NAMES) + draw.choice(["", "", ".zip", ".tar.gz"])
    rest = draw.choice(NAMES) if kind == "member" else url
    return f"{kind} {draw.choice(SUMS[:2] * 2 + SUMS)} {draw.choice(['7', '-', 'x'])} {name} {rest}"


def manifest(draw):
    lines = ["set one", "folder " + draw.choice(["d"] * 4 + NAMES)] + [line(draw) for _ in range(draw.randint(1, 6))]
    text = "\n".join(lines) + draw.choice(["\n", "", "\r\n", "\n\n"])
    if draw.random() < 0.2:  # bytes of no text
        at = draw.randrange(len(text))
        text = text[:at] + draw.choice("\0\x1b\r\x80\\'\"$`") + text[at + 1:]
    return text.encode("utf-8", "surrogateescape")


def everything(folder):
    """Path: content of all that lies there."""
    found = {}
    for path in sorted(folder.rglob("*")):
        found[str(path)] = path.read_bytes() if path.is_file() and not path.is_symlink() else None
    return found


def fault_of(base, text):
    """What is wrong after one run; None: nothing."""
    (base / "manifest").write_bytes(text)
    data, outside = base / "data", base / "outside"
    subprocess.run(["rm", "-rf", "--", str(data)], check=True)
    data.mkdir()
    before = everything(outside)
    environment = dict(os.environ, PATH=f"{base / 'bin'}:/usr/bin:/bin", SERVED=str(base / "served"))
    try:
        subprocess.run(["sh", str(ROOT / "datasets/fetch.sh"), "--data-dir", str(data), "--manifest",
                        str(base / "manifest"), "one"], cwd=outside / "here", env=environment, timeout=30,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    except subprocess.TimeoutExpired:
        return "it was not at its end after 30 seconds"
    if everything(outside) != before or set(os.listdir(base)) != {"bin", "served", "data", "outside", "manifest"}:
        return "something outside the data folder has changed"
    for path, content in everything(data).items():
        if content is not None and not path.endswith(".part") and hashlib.sha256(content).hexdigest().encode() not in text:
            archive = content in ((base / "served/tar").read_bytes(), (base / "served/zip").read_bytes())
            if not archive:  # an archive is kept until its members are right, and checked by them
                return f"{path} was kept without a sum"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    draw, failed = random.Random(options.seed), 0
    with tempfile.TemporaryDirectory() as folder:
        base = pathlib.Path(folder) / "base"
        (base / "bin").mkdir(parents=True)
        (base / "outside/here").mkdir(parents=True)
        (base / "outside/kept").write_text("kept")
        (base / "bin/curl").write_text(CURL)
        (base / "bin/curl").chmod(0o755)
        serve(base / "served")
        for _ in range(options.cases):
            text = manifest(draw)
            fault = fault_of(base, text)
            if fault:
                failed += 1
                print(f"manifest: {fault}:\n{text!r}", flush=True)
    print(f"manifest: {options.cases} cases, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
