#!/usr/bin/env python3
"""How fast a table is read, beside pandas: three generated CSV files, the best of several readings of each.

    python3 bench/reading.py build/libauxo.so

Needs pandas and NumPy. Each reading runs in a process of its own, which says its time and its largest memory.
"""
import os
import subprocess
import sys
import tempfile

AUXO = """
import ctypes, sys, time
library = ctypes.CDLL(sys.argv[1])
train, test, error = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.create_string_buffer(4096)
start = time.perf_counter()
status = library.auxo_dataset_load(sys.argv[2].encode(), None, ctypes.byref(train), ctypes.byref(test), error)
seconds = time.perf_counter() - start
assert status == 0, error.raw
"""
PANDAS = """
import sys, time
import pandas
start = time.perf_counter()
pandas.read_csv(sys.argv[2])
seconds = time.perf_counter() - start
"""
MEMORY = """
peak = [int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")][0]
print(seconds, peak / 1024)
"""
TABLES = [("20 columns of numbers", 400000, 20, 0), ("4 columns of numbers", 1000000, 4, 0),
          ("12 of numbers, 4 of text", 300000, 12, 4)]
REPEATS = 7


def make(path, rows, numbers, texts):
    import numpy
    import pandas
    random = numpy.random.default_rng(1)
    columns = {f"x{i}": numpy.round(random.normal(size=rows), 4) for i in range(numbers)}
    columns.update({f"k{i}": random.choice(["amber", "blue", "green", "red"], rows) for i in range(texts)})
    columns["y"] = random.normal(size=rows)
    pandas.DataFrame(columns).to_csv(path, index=False)


def read(code, library, path):
    out = subprocess.run([sys.executable, "-c", code + MEMORY, library, path], capture_output=True, text=True, check=True)
    return [float(word) for word in out.stdout.split()]


def main():
    library = os.path.abspath(sys.argv[1])
    print("| Table | Rows | pandas rows/s | Auxo rows/s | Ratio | Auxo's peak | Matrix in f32 |\n|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name, rows, numbers, texts in TABLES:
            path = os.path.join(folder, "table.csv")
            make(path, rows, numbers, texts)
            best = {}
            for _ in range(REPEATS):  # in turns, so that both meet the same machine
                for code in (PANDAS, AUXO):
                    seconds, peak = read(code, library, path)
                    best[code] = min(best.get(code, (1e9, 0)), (seconds, peak))
            matrix = rows * (numbers + 4 * texts + 1) * 4 / 2**20
            pandas_rate, auxo_rate = rows / best[PANDAS][0], rows / best[AUXO][0]
            print(f"| {name} | {rows:,} | {pandas_rate:,.0f} | {auxo_rate:,.0f} | {auxo_rate / pandas_rate:.2f} | "
                  f"{best[AUXO][1]:.0f} MiB | {matrix:.0f} MiB |", flush=True)


if __name__ == "__main__":
    main()
