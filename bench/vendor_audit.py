#!/usr/bin/env python3
"""Compiles every kernel for GPUs that are not in this machine, and reads registers, spills, memory and occupancy.

    bench/vendor_audit.py [--program build/auxo] [--targets NAME,...] [--save bench/results/audit.md]
                          [--known bench/results/audit.known [--remember]]

Vulkan shaders: "auxo bench audit" on Mesa's RADV, which compiles for any AMD family without hardware. OpenCL kernels:
the programs and options that "auxo bench audit" makes on a plain OpenCL device (oclgrind), compiled by ocloc for Intel,
by clang with libclc for AMD, and by clang and ptxas for NVIDIA. A compiler that is missing is named and left out.
Status 1 if a program does not compile, or if one that plans take by default spills a register.

A target takes minutes. --known leaves those out that passed with the same kernels, the same code that makes their options
and the same compilers, by a hash of all of it and the packages' versions; --remember writes down those that pass now.
"""
import argparse
import concurrent.futures
import datetime
import functools
import glob
import hashlib
import itertools
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
SHADERS = ROOT / "shaders" / "opencl"
INCLUDE = re.compile(r'#include "([a-z0-9_]+\.clh)"')
LIBCLC = "/usr/lib/clc"
FIELDS = ("registers", "spills", "local_bytes", "scratch_bytes", "subgroups", "code_bytes")


class Missing(Exception):
    """A compiler that is not installed; the text says which."""


def row(target, name, options, is_default, **fields):
    return {"target": target, "name": name, "options": options, "default": is_default,
            **{field: fields.get(field) for field in FIELDS}}


# ---- Vulkan: RADV without hardware --------------------------------------------------------------------------------

def audit_program(program, arguments, environment, wrapper=()):
    command = [*wrapper, str(program), "bench", "audit", *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})
    events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    programs = [event for event in events if event["event"] == "program"]
    failures = [f'{event["case"]}: {event["message"]}' for event in events if event["event"] == "failure"]
    if not programs and not failures:
        failures = [(done.stderr.strip().splitlines() or ["no output"])[-1]]
    return programs, failures


def radv(family):
    def compile_all(program, _sources):
        drivers = glob.glob("/usr/share/vulkan/icd.d/radeon_icd*.json")
        if not drivers:
            raise Missing("Mesa's RADV (package mesa-vulkan-drivers)")
        environment = {"VK_ICD_FILENAMES": drivers[0], "VK_DRIVER_FILES": drivers[0], "RADV_FORCE_FAMILY": family,
                       "VK_INSTANCE_LAYERS": "", "VK_LAYER_ENABLES": ""}
        programs, failures = audit_program(program, ["--device", "vulkan:0"], environment)
        target = f"radv {family}"
        return [row(target, item["name"], item["options"], item["default"], **{field: item[field] for field in FIELDS})
                for item in programs], failures
    return compile_all


# ---- OpenCL: sources and options ----------------------------------------------------------------------------------

@functools.lru_cache(maxsize=None)
def contract():
    """contract.clh, the generated numbers of include/auxo/."""
    with tempfile.TemporaryDirectory() as folder:
        made = pathlib.Path(folder) / "contract.clh"
        subprocess.run(["cmake", f"-DGLSL={folder}/contract.glsl", f"-DOPENCL={made}", "-P",
                        str(SHADERS.parent / "contract.cmake")], check=True)
        return made.read_text(encoding="utf-8")


def flatten(path, seen):
    def expand(match):
        name = match.group(1)
        if name in seen:
            return ""
        seen.add(name)
        return contract() if name == "contract.clh" else flatten(path.parent / name, seen)
    return INCLUDE.sub(expand, path.read_text(encoding="utf-8"))


def opencl_sources(program):
    """(noun, options, used by default) of every program that a plain OpenCL device gets."""
    if not shutil.which("oclgrind"):
        raise Missing("oclgrind, which tells the OpenCL programs of a plain device")
    with tempfile.TemporaryDirectory() as empty:
        programs, failures = audit_program(program, ["--device", "opencl:0"],
                                           {"OCL_ICD_VENDORS": empty, "VK_ICD_FILENAMES": ""},
                                           ["oclgrind", "--global-mem-size", "4000000000"])
    if failures:
        sys.exit("OpenCL programs could not be listed: " + failures[0])
    found = {}
    for item in programs:
        key = (item["name"].split()[0], item["options"])
        found[key] = found.get(key, False) or item["default"]
    return sorted((noun, options, used) for (noun, options), used in found.items())


def compile_each(target, sources, compile_one):
    """compile_one(source file, options, folder) gives {kernel: fields} or raises RuntimeError."""
    rows, failures = [], []

    def work(entry):
        noun, options, used = entry
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / f"{noun}.cl"
            path.write_text(flatten(SHADERS / f"{noun}.cl", set()), encoding="utf-8")
            try:
                return entry, compile_one(path, f"-cl-std=CL1.2 {options}".strip(), folder), None
            except RuntimeError as error:
                return entry, {}, f"{noun} {options}: {error}"

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for (noun, options, used), kernels, failure in pool.map(work, sources):
            if failure:
                failures.append(failure)
            rows += [row(target, f"{noun} {kernel}", options, used, **fields) for kernel, fields in kernels.items()]
    return rows, failures


def run(command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    text = done.stdout + done.stderr
    if done.returncode != 0:
        errors = [line for line in text.splitlines() if "error" in line.lower()]
        raise RuntimeError((errors or text.strip().splitlines() or ["no message"])[0].strip())
    return text


# ---- Intel ----------------------------------------------------------------------------------------------------------

def elf_sections(data):
    table, = struct.unpack_from("<Q", data, 0x28)
    size, count, names_index = struct.unpack_from("<HHH", data, 0x3A)
    headers = [struct.unpack_from("<IIQQQQIIQQ", data, table + i * size) for i in range(count)]
    names = data[headers[names_index][4]:][:headers[names_index][5]]
    return {names[h[0]:names.index(b"\0", h[0])].decode(): data[h[4]:h[4] + h[5]] for h in headers}


def intel_kernels(binary, warnings):
    sections = elf_sections(binary)
    kernels = {}
    listed = sections[".ze_info"].decode().split("\nkernels:")[1].split("\nkernels_misc_info:")[0]
    for text in re.split(r"\n  - name: +", listed)[1:]:
        name = text.split()[0].strip("'\"")

        def number(key, text=text):
            found = re.search(rf"\b{key}: +(\d+)", text)
            return int(found.group(1)) if found else 0
        buffers = re.findall(r"usage: +(\w+)\s+size: +(\d+)", text)
        spill = re.search(rf"kernel {name} +compiled SIMD\d+ allocated \d+ regs and spilled around (\d+)", warnings)
        kernels[name] = {"registers": number("grf_count"), "spills": int(spill.group(1)) if spill else 0,
                         "local_bytes": number("slm_size"), "subgroups": 4 if number("grf_count") > 128 else 8,
                         "scratch_bytes": sum(int(size) for usage, size in buffers if usage == "private_space"),
                         "code_bytes": len(sections.get(f".text.{name}", b""))}
    return kernels


def matrix_programs(lanes):
    """The programs of gemm_matrix.c, which no device without matrix units is asked for."""
    for blocks, dtype, trans, vector in itertools.product(("4", "2"), ("1", "4"), ("00", "01", "10"), ("8", "1")):
        yield ("gemm_matrix", f"-DLANES={lanes} -DEMULATED=0 -DSUBGROUPS_M=2 -DSUBGROUPS_N=2 -DBLOCKS_M={blocks} "
               f"-DBLOCKS_N=2 -DTRANS_A={trans[0]} -DTRANS_B={trans[1]} -DA_VEC={vector} -DB_VEC={vector} "
               f"-DINPUT_DTYPE={dtype} -DOUTPUT_DTYPE={dtype if trans == '00' else 0}", blocks == "4")


def intel(device, subgroup, has_matrix_units=True):
    """`subgroup`: the device's narrowest, which Auxo asks the device for and tells tile.clh."""
    def compile_all(_program, sources):
        if not shutil.which("ocloc"):
            raise Missing("ocloc (package intel-opencl-icd)")

        def compile_one(path, options, folder):
            options = options.replace("-DSUBGROUP=1 ", f"-DSUBGROUP={subgroup} ")
            text = run(["ocloc", "compile", "-file", str(path), "-device", device, "-out_dir", folder,
                        "-output", "out", "-options", options, "-internal_options", "-ze-allow-zebin"])
            binary = glob.glob(f"{folder}/out*.bin")
            if not binary:
                raise RuntimeError("ocloc wrote no binary")
            return intel_kernels(pathlib.Path(binary[0]).read_bytes(), text)
        programs = [*sources(), *(matrix_programs(subgroup) if has_matrix_units else ())]
        return compile_each(f"ocloc {device}", programs, compile_one)
    return compile_all


# ---- clang: AMD and NVIDIA ----------------------------------------------------------------------------------------

def find_clang(library):
    """The clang whose version libclc was built for."""
    if not os.path.exists(f"{LIBCLC}/{library}"):
        raise Missing(f"libclc's {library} (packages libclc-15 libclc-15-dev)")
    for name in ("clang-15", "clang-16", "clang"):
        if shutil.which(name):
            return name
    raise Missing("clang (package clang-15)")


def clang_command(clang, target, library, path, options):
    return [clang, "-x", "cl", "-O3", "-target", target, "-nogpulib", "-Xclang", "-finclude-default-header",
            "-Xclang", "-mlink-builtin-bitcode", "-Xclang", f"{LIBCLC}/{library}", *options.split(), str(path)]


AMD_REMARKS = {"VGPRs": "registers", "VGPRs Spill": "spills", "SGPRs Spill": "spills", "ScratchSize": "scratch_bytes",
               "Occupancy": "subgroups", "LDS Size": "local_bytes"}


def amd(processor):
    def compile_all(_program, sources):
        library = "amdgcn--amdhsa.bc"
        clang = find_clang(library)

        def compile_one(path, options, folder):
            text = run([*clang_command(clang, "amdgcn--amdhsa", library, path, options), f"-mcpu={processor}",
                        "-Rpass-analysis=kernel-resource-usage", "-c", "-o", f"{folder}/out.o"])
            kernels, fields = {}, {}
            for key, value in re.findall(r"remark: +([A-Za-z ]+?)(?: \[[^\]]*\])?: (\S+) \[-Rpass", text):
                if key == "Function Name":
                    fields = kernels.setdefault(value, {})
                elif key in AMD_REMARKS:
                    fields[AMD_REMARKS[key]] = fields.get(AMD_REMARKS[key], 0) + int(value)
            return kernels
        return compile_each(f"clang {processor}", sources(), compile_one)
    return compile_all


def nvidia(processor):
    def compile_all(_program, sources):
        library = "nvptx64--nvidiacl.bc"
        clang = find_clang(library)
        ptxas = shutil.which("ptxas") or shutil.which("/usr/local/cuda/bin/ptxas")
        if not ptxas:
            raise Missing("ptxas (the CUDA toolkit)")

        def compile_one(path, options, folder):
            run([*clang_command(clang, "nvptx64--nvidiacl", library, path, options), "-Xclang", "-target-cpu",
                 "-Xclang", "sm_70", "-S", "-o", f"{folder}/out.ptx"])
            text = run([ptxas, "-v", f"-arch={processor}", f"{folder}/out.ptx", "-o", f"{folder}/out.cubin"])
            kernels = {}
            for part in text.split("Compiling entry function '")[1:]:
                def number(pattern, part=part):
                    found = re.search(pattern, part)
                    return int(found.group(1)) if found else 0
                kernels[part.split("'")[0]] = {"registers": number(r"Used (\d+) registers"),
                                               "spills": number(r"(\d+) bytes spill stores") // 4,
                                               "scratch_bytes": number(r"(\d+) bytes stack frame"),
                                               "local_bytes": number(r"(\d+) bytes smem")}
            return kernels
        return compile_each(f"ptxas {processor}", sources(), compile_one)
    return compile_all


TARGETS = {
    "vega10": ("Vulkan, AMD GCN 5", radv("vega10")),
    "navi21": ("Vulkan, AMD RDNA 2", radv("navi21")),
    "gfx1100": ("Vulkan, AMD RDNA 3", radv("gfx1100")),
    "tgllp": ("OpenCL, Intel Xe LP", intel("tgllp", 8, has_matrix_units=False)),
    "dg2": ("OpenCL, Intel Arc", intel("dg2", 8)),
    "pvc": ("OpenCL, Intel Data Center Max", intel("pvc", 16)),
    "amd-gfx1030": ("OpenCL, AMD RDNA 2", amd("gfx1030")),
    "sm_90": ("OpenCL, NVIDIA Hopper", nvidia("sm_90")),
}


# ---- the report -----------------------------------------------------------------------------------------------------

def text_of(value):
    return "-" if value is None else f"{value:.0f}"


def heaviest(rows):
    """Per kernel the program with the most spills, then registers."""
    best = {}
    for item in rows:
        weight = (item["default"], item["spills"] or 0, item["registers"] or 0, item["local_bytes"] or 0)
        if item["name"] not in best or weight > best[item["name"]][0]:
            best[item["name"]] = (weight, item)
    return [best[name][1] for name in sorted(best)]


def spilling(rows, only_default):
    return [item for item in rows if (item["spills"] or 0) > 0 and (item["default"] or not only_default)]


def summary(results):
    lines = ["| target | for | programs | used by default | spill | of these by default | most registers | "
             "do not compile |", "|---|---|---:|---:|---:|---:|---:|---:|"]
    for name, (about, rows, failures, missing) in results.items():
        if missing:
            lines.append(f"| {name} | {about} | left out: {missing} is not installed | | | | | |")
            continue
        most = max((item["registers"] or 0 for item in rows), default=0)
        lines.append(f"| {name} | {about} | {len(rows)} | {sum(item['default'] for item in rows)} | "
                     f"{len(spilling(rows, False))} | {len(spilling(rows, True))} | {most:.0f} | {len(failures)} |")
    return lines


def details(about, rows):
    lines = ["", f"## {about}", "",
             "| kernel | compiled with | used | registers | spilled | local bytes | scratch bytes | subgroups | "
             "code bytes |", "|---|---|---|---:|---:|---:|---:|---:|---:|"]
    for item in heaviest(rows):
        numbers = " | ".join(text_of(item[field]) for field in FIELDS)
        lines.append(f"| {item['name']} | `{item['options'] or ' '}` | {'default' if item['default'] else 'on request'} "
                     f"| {numbers} |")
    return lines


def write_report(path, command, results):
    lines = ["# Vendor audit", "", f"Made by `{command}`: every kernel, compiled for GPUs that were not in the machine. "
             "Nothing ran on them.", "", *summary(results), "",
             "Below, for every kernel the program with the most registers. Registers are per lane on AMD (VGPRs) and "
             "NVIDIA, per hardware thread on Intel (GRF). Subgroups: how many fit one SIMD unit (AMD) or execution unit "
             "(Intel, as far as registers limit them). A dash: the compiler does not tell."]
    for about, rows, _failures, missing in results.values():
        if not missing:
            lines += details(about, rows)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


# ---- audits that need not be made again ---------------------------------------------------------------------------

# What decides which programs there are and what is in them, and the packages that compile them.
KEY_FOLDERS = ("shaders", "backends/opencl", "backends/vulkan", "backends/common", "runtime/ops")
KEY_FILES = ("include/auxo/ops.h", "include/auxo/kinds.h", "include/auxo/tensor.h", "include/auxo/backend.h",
             "runtime/bench/audit.c", "runtime/bench/cases.c", "runtime/bench/case_op.c", "bench/vendor_audit.py")
KEY_PACKAGES = {"Vulkan": ("mesa-vulkan-drivers", "glslang-tools"), "OpenCL, Intel": ("intel-opencl-icd", "oclgrind"),
                "OpenCL": ("clang", "libclc-14", "oclgrind")}


def audit_key(target):
    """None where the compilers' versions cannot be told."""
    packages = next(packages for use, packages in KEY_PACKAGES.items() if TARGETS[target][0].startswith(use))
    command = ["dpkg-query", "-W", "-f", "${Package} ${Version} ${Status}\\n", *packages]
    if not shutil.which("dpkg-query"):
        return None
    digest = hashlib.sha256(subprocess.run(command, capture_output=True, check=False).stdout)
    files = [path for folder in KEY_FOLDERS for path in sorted((ROOT / folder).rglob("*")) if path.is_file()]
    for path in files + [ROOT / name for name in KEY_FILES]:
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:32]


def read_known(path):
    """Targets and the keys that they passed with."""
    lines = path.read_text(encoding="utf-8").splitlines() if path and path.exists() else []
    return {words[0]: words[1:] for words in (line.split() for line in lines if not line.startswith("#")) if len(words) == 3}


def remember(path, known, target, key):
    known = {**known, target: [key, datetime.date.today().isoformat()]}
    text = "# Made by bench/vendor_audit.py --remember: targets, what they passed with, and when.\n"
    path.write_text(text + "".join(f"{name} {' '.join(known[name])}\n" for name in sorted(known)), encoding="utf-8")


def find_program():
    for folder in ("build", "build-release"):
        if os.access(ROOT / folder / "auxo", os.X_OK):
            return ROOT / folder / "auxo"
    sys.exit("no program: build it, or name it with --program")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=pathlib.Path, help="auxo, of a build with OpenCL and Vulkan")
    parser.add_argument("--targets", default=",".join(TARGETS), help="of " + ", ".join(TARGETS))
    parser.add_argument("--save", type=pathlib.Path, help="write the tables here, in Markdown")
    parser.add_argument("--require", default="", help="targets whose compiler must not be missing")
    parser.add_argument("--known", type=pathlib.Path, help="leave out targets that this file says have passed")
    parser.add_argument("--remember", action="store_true", help="with --known: add those that pass")
    arguments = parser.parse_args()
    program = (arguments.program or find_program()).resolve()
    names = [name for name in arguments.targets.split(",") if name]
    required = [name for name in arguments.require.split(",") if name]
    for name in names + required:
        if name not in TARGETS:
            sys.exit(f"unknown target {name}; there are {', '.join(TARGETS)}")
    known = read_known(arguments.known)
    keys = {name: audit_key(name) for name in names} if arguments.known else {}
    for name in [name for name in keys if keys[name] and known.get(name, [None])[0] == keys[name]]:
        print(f"{name}: passed on {known[name][1]} with the same kernels and compilers; not compiled again", flush=True)
        names.remove(name)
    listed = []

    def sources():
        if not listed:
            listed.extend(opencl_sources(program))
        return listed

    def audit(name):
        about, compile_all = TARGETS[name]
        try:
            rows, failures = compile_all(program, sources)
            return about, rows, failures, None
        except Missing as missing:
            return about, [], [], str(missing)

    results, bad = {}, 0
    alone = [name for name in names if TARGETS[name][0].startswith("Vulkan")]  # one process each
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results.update(zip(alone, pool.map(audit, alone)))
    for name in names:
        if name not in results:
            results[name] = audit(name)
        bad += name in required and results[name][3] is not None
        for failure in results[name][2]:
            print(f"{name}: does not compile: {failure}", flush=True)
        for item in spilling(results[name][1], True):
            print(f"{name}: spills {item['spills']:.0f}: {item['name']} {item['options']}", flush=True)
        bad += len(results[name][2]) + len(spilling(results[name][1], True))
        faults = results[name][2] + spilling(results[name][1], True)
        if arguments.remember and keys.get(name) and not faults and results[name][3] is None:
            remember(arguments.known, read_known(arguments.known), name, keys[name])
    if results:
        print("\n".join(summary(results)))
    if arguments.save:
        write_report(arguments.save, "bench/vendor_audit.py", results)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
