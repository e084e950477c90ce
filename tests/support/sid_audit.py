#!/usr/bin/env python3
"""tests/support/sid_audit.py FILE: what a compiler made of the cooperative kernels, from the events of "auxo bench audit"."""
import json
import pathlib
import sys


def main():
    lines = pathlib.Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()
    programs = [event for event in map(json.loads, lines) if event["event"] == "program"]
    kinds = {}
    for program in programs:
        if "_cooperative_" in program["name"]:
            kinds.setdefault((program["name"], program["default"]), []).append(program)
    print(f"{len(programs)} programs, {sum(bool(program['spills']) for program in programs)} of them spill")
    for (name, default), some in sorted(kinds.items()):
        registers = [program["registers"] for program in some]
        print(f"{name}{', by default' if default else ''}: {len(some)} programs, {min(registers)} to {max(registers)} "
              f"registers, {max(program['spills'] for program in some)} spilled")


if __name__ == "__main__":
    main()
