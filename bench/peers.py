#!/usr/bin/env python3
"""Sets Auxo's kernels against other libraries, case by case, and prints ratios: only to compare, nothing depends on it.

    bench/peers.py [--auxo PROGRAM] [--group gemm,conv2d,pruning,train,opencl,vulkan] [--rounds N] [--threads N]

Every library runs in a process of its own; each round times Auxo (`auxo bench`) and then every peer on the same cases,
so that a machine that slows down slows all of them. Samples are as long on both sides (a tenth of --seconds, or one
call). The best sample of all rounds counts, because other programs only ever make a sample slower; the spread of the
ratio of the rounds' best samples is printed. GEMM: OpenBLAS (the system's and NumPy's) and oneDNN (libdnnl);
convolution and training: PyTorch, which runs oneDNN on CPUs, with images stored channels first and channels last; --device cuda: cuBLAS and
cuDNN without TF32. half, resnet18-bf16-SIZE, resnet18-f16-SIZE: products of 16 bits, and training under PyTorch's
autocast. pruning: the time to read the layer once, and to copy three quarters of it, by NumPy on all threads.
"""
import argparse
import collections
import ctypes
import ctypes.util
import json
import os
import subprocess
import sys

GEMMS = [(256, 256, 256), (512, 512, 512), (1024, 1024, 1024), (2048, 2048, 2048), (10000, 5, 5), (10000, 10, 5)]
# name, batch, channels, height and width, filters, window, stride, pad
CONVS = [("3x3 64ch 32x32 batch 32", 32, 64, 32, 64, 3, 1, 1), ("lenet5 5x5 1->6 28x28 batch 128", 128, 1, 28, 6, 5, 1, 2),
         ("lenet5 5x5 6->16 14x14 batch 128", 128, 6, 14, 16, 5, 1, 0), ("1x1 64ch 32x32 batch 32", 32, 64, 32, 64, 1, 1, 0),
         ("3x3 stride 2 64->128 32x32 batch 32", 32, 64, 32, 128, 3, 2, 1)]
CONV_OPS = ("conv2d_forward", "conv2d_backward_data", "conv2d_backward_weights")
LAYER = 4096

# What is asked of a group: Auxo's arguments, the peers, the least ratio of speeds per case, or of all where it is one.
Group = collections.namedtuple("Group", "arguments cases peers target")
GEMM_CASES = [f"gemm {m}x{n}x{k}" for m, n, k in GEMMS]
HALF_GEMM_CASES = [f"gemm {dtype} {size}x{size}x{size}" for dtype in ("f16", "bf16") for size in (1024, 2048)]
GPU_CASES = ["gemm 4096x4096x4096", "gemm f16 4096x4096x4096"]
CONV_CASES = [f"{op} {case[0]}" for case in CONVS for op in CONV_OPS]
GROUPS = {
    "gemm": Group(["ops", "--op", "gemm"], GEMM_CASES, ("openblas", "numpy", "onednn"),
                  lambda case: 3 if "10000" in case else 0.95),
    "conv2d": Group(["ops", "--op", ",".join(CONV_OPS)], CONV_CASES, ("pytorch", "pytorch-nhwc"), lambda case: 0.9),
    "lenet5": Group(["train", "--model", "lenet5"], ["train lenet5 batch 128"], ("pytorch",), lambda case: 2),
    "resnet18": Group(["train", "--model", "resnet18", "--input", "3x32x32", "--optimizer", "momentum", "--batch", "32"],
                      ["train resnet18 3x32x32 batch 32"], ("pytorch", "pytorch-nhwc"), lambda case: 0.9),
    "half": Group(["ops", "--op", "gemm"], HALF_GEMM_CASES, ("pytorch",), lambda case: 1 if "bf16" in case else None),
    **{f"resnet18-{precision}-{size}": Group(
        ["train", "--model", "resnet18", "--input", f"3x{size}x{size}", "--optimizer", "momentum", "--batch", f"{batch}",
         "--precision", precision], [f"train resnet18 3x{size}x{size} batch {batch} {precision}"],
        ("pytorch", "pytorch-nhwc"), lambda case: 1)
       for precision in ("bf16", "f16") for size, batch in ((32, 32), (64, 32), (96, 16))},
    "pruning": Group(["ops", "--op", "group_norm,index_select"], ["group_norm 4096x4096", "index_select 4096x4096"],
                     ("read", "copy"), None),
}


# The peers, each in a process of its own.

def conv_work(torch, name, layout):
    op = name.split()[0]
    _, batch, channels, size, filters, window, stride, pad = next(case for case in CONVS if name.endswith(case[0]))
    x, w = torch.rand(batch, channels, size, size), torch.rand(filters, channels, window, window)
    x, w, bias = x.to(memory_format=layout), w.to(memory_format=layout), torch.rand(filters)
    y = torch.conv2d(x, w, bias, stride, pad)

    def undo(mask):
        return torch.ops.aten.convolution_backward(y, x, w, [filters], [stride] * 2, [pad] * 2, [1, 1], False, [0, 0], 1,
                                                   mask)
    return {"conv2d_forward": lambda: torch.conv2d(x, w, bias, stride, pad),
            "conv2d_backward_data": lambda: undo([True, False, False]),
            "conv2d_backward_weights": lambda: undo([False, True, True])}[op]


def lenet5(nn):
    return nn.Sequential(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(),
                         nn.MaxPool2d(2), nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(),
                         nn.Linear(84, 10))


def resnet18(nn):
    class Block(nn.Module):
        def __init__(self, inputs, filters, stride):
            super().__init__()
            self.body = nn.Sequential(nn.Conv2d(inputs, filters, 3, stride, 1, bias=False), nn.BatchNorm2d(filters),
                                      nn.ReLU(True), nn.Conv2d(filters, filters, 3, 1, 1, bias=False),
                                      nn.BatchNorm2d(filters))
            self.shortcut = nn.Sequential() if stride == 1 and inputs == filters else nn.Sequential(
                nn.Conv2d(inputs, filters, 1, stride, bias=False), nn.BatchNorm2d(filters))

        def forward(self, x):
            return nn.functional.relu(self.body(x) + self.shortcut(x), True)
    layers, inputs = [nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU(True)], 64
    for filters, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        layers += [Block(inputs, filters, stride), Block(filters, filters, 1)]
        inputs = filters
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))


def training_work(torch, name, layout, device):
    words = name.split()
    batch = int(words[words.index("batch") + 1])
    half = {"bf16": torch.bfloat16, "f16": torch.float16}.get(words[-1])
    if "lenet5" in name:
        model, shape = lenet5(torch.nn), (batch, 1, 28, 28)
    else:
        model, shape = resnet18(torch.nn), (batch, *(int(size) for size in words[2].split("x")))
    model = model.to(device).to(memory_format=layout)
    optimizer = torch.optim.Adam(model.parameters()) if "lenet5" in name else torch.optim.SGD(
        model.parameters(), lr=0.01, momentum=0.9)
    x = torch.rand(shape, device=device).to(memory_format=layout)
    labels = torch.randint(10, (batch,), device=device)
    scaler = torch.amp.GradScaler(device, enabled=half == torch.float16)

    def step():
        optimizer.zero_grad()
        with torch.autocast(device, half or torch.bfloat16, enabled=half is not None):
            loss = torch.nn.functional.cross_entropy(model(x), labels)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
    return step


def torch_work(name, threads, device, last):
    import torch
    torch.set_num_threads(threads)
    torch.set_default_device(device)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    layout = torch.channels_last if last else torch.contiguous_format
    if name.startswith("gemm"):
        m, n, k = (int(size) for size in name.split()[-1].split("x"))
        dtype = {"f16": torch.float16, "bf16": torch.bfloat16}.get(name.split()[1], torch.float32)
        a, b, out = torch.rand(m, k).to(dtype), torch.rand(k, n).to(dtype), torch.empty(m, n, dtype=dtype)
        work = lambda: torch.mm(a, b, out=out)
    elif name.startswith("conv2d"):
        work = conv_work(torch, name, layout)
    else:
        work = training_work(torch, name, layout, device)
    return work


def sgemm_work(name, library):
    """A call of sgemm: cblas_sgemm of the system's OpenBLAS, NumPy's matmul, or dnnl_sgemm."""
    import numpy
    m, n, k = (int(size) for size in name.split()[1].split("x"))
    a, b = numpy.random.rand(m, k).astype("f"), numpy.random.rand(k, n).astype("f")
    c = numpy.empty((m, n), "f")
    if library == "numpy":
        return lambda: numpy.matmul(a, b, out=c)
    one, zero, size = ctypes.c_float(1), ctypes.c_float(0), ctypes.c_int64
    pointers = [ctypes.c_void_p(matrix.ctypes.data) for matrix in (a, b, c)]
    found = ctypes.util.find_library("openblas" if library == "openblas" else "dnnl")
    if not found:
        raise FileNotFoundError(f"no lib{library}")
    if library == "onednn":
        call, no = ctypes.CDLL(found).dnnl_sgemm, ctypes.c_char(b"N")
        arguments = [no, no, size(m), size(n), size(k), one, pointers[0], size(k), pointers[1], size(n), zero, pointers[2],
                     size(n)]
    else:
        call = ctypes.CDLL(found).cblas_sgemm
        arguments = [101, 111, 111, m, n, k, one, pointers[0], k, pointers[1], n, zero, pointers[2], n]
    keep = (a, b, c)
    return lambda: (call(*arguments), keep)[0]


def memory_work(threads, copy):
    """Reads the layer once, a maximum over slices of it, or copies three quarters of it; one thread for each slice."""
    import concurrent.futures
    import numpy
    layer = numpy.random.rand(LAYER, LAYER).astype("f")
    kept = numpy.empty((LAYER * 3 // 4, LAYER), "f")
    pool = concurrent.futures.ThreadPoolExecutor(threads)
    if copy:
        pairs = zip(numpy.array_split(kept, threads), numpy.array_split(layer[:len(kept)], threads))
        slices = [(target.reshape(-1), source.reshape(-1)) for target, source in pairs]
        return lambda: list(pool.map(lambda pair: numpy.copyto(*pair), slices))
    slices = [part.reshape(-1) for part in numpy.array_split(layer, threads)]
    return lambda: list(pool.map(numpy.max, slices))


def sampler(options):
    """A function that times `calls` calls of `work`, on a GPU until the last has ended, as Auxo is timed."""
    import time

    def sample(work, calls):
        begin = time.perf_counter()
        for _ in range(calls):
            work()
        if options.device == "cuda":
            import torch
            torch.cuda.synchronize()
        return (time.perf_counter() - begin) / calls
    return sample


def serve(options):
    """Answers each line {"case": ..., "seconds": ...} with the least seconds of a call over samples as `auxo bench` takes
    them."""
    import time
    cases, sample = {}, sampler(options)
    for line in sys.stdin:
        request = json.loads(line)
        name = request["case"]
        if name not in cases:
            if options.serve.startswith("pytorch"):
                cases[name] = torch_work(name, options.threads, options.device, options.serve.endswith("nhwc"))
            elif options.serve in ("read", "copy"):
                cases[name] = memory_work(options.threads, options.serve == "copy")
            else:
                cases[name] = sgemm_work(name, options.serve)
        work, samples = cases[name], []
        start = time.monotonic()
        while time.monotonic() - start < min(0.25, 2 * request["seconds"]):  # as long as `auxo bench` warms up
            sample(work, 1)
        calls = max(1, min(10000, int(request["seconds"] / 10 / sample(work, 1))))
        start = time.monotonic()
        while len(samples) < 5 or time.monotonic() - start < request["seconds"]:
            samples.append(sample(work, calls))
        print(min(samples), flush=True)


class Peer:
    def __init__(self, name, options):
        environment = dict(os.environ, OMP_NUM_THREADS=str(options.threads), OPENBLAS_NUM_THREADS=str(options.threads))
        self.process = subprocess.Popen([sys.executable, __file__, "--serve", name, "--threads", str(options.threads),
                                         "--device", options.device], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, env=environment)

    def seconds(self, case, seconds):
        """None: the library is not there."""
        try:
            self.process.stdin.write(json.dumps({"case": case, "seconds": seconds}) + "\n")
            self.process.stdin.flush()
            return float(self.process.stdout.readline())
        except (ValueError, BrokenPipeError):
            return None

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def auxo_seconds(options, arguments, device):
    """Seconds of the best sample and rate (GFLOP/s, or images/s) per case."""
    environment = dict(os.environ, OMP_NUM_THREADS=str(options.threads), OPENBLAS_NUM_THREADS=str(options.threads))
    command = [options.auxo, "bench", *arguments, "--device", device, "--min-seconds", str(options.seconds), "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment, check=True)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    return {event["case"]: (event["best_seconds"], (event["rate"] if event["unit"] == "image" else event["gflops"]) *
                            event["seconds"] / event["best_seconds"])
            for event in events if event["event"] == "case"}


def show(name, unit, ours, peers, target):
    """One line: the ratio of the best peer's best time to ours, and the least and greatest ratio of a round."""
    best = min(ours)
    peers = {peer: times for peer, times in peers.items() if times and None not in times}
    line = f"{name:60} {1e3 * best[0]:10.4f} ms {best[1]:9.1f} {unit:8}"
    if peers:
        peer = min(peers, key=lambda key: min(peers[key]))
        rounds = [theirs / mine[0] for theirs, mine in zip(peers[peer], ours)]
        ratio = min(peers[peer]) / best[0]
        line += f" {ratio:6.2f} x {peer:12} (rounds {min(rounds):.2f} to {max(rounds):.2f})"
        if target is not None:
            line += f"  asked {target:g}: {'met' if ratio >= target else 'MISSED'}"
    print(line, flush=True)


def run_group(options, group, device):
    names = ("pytorch", "pytorch-nhwc")[:len(group.peers)] if options.device == "cuda" else group.peers
    peers = {name: Peer(name, options) for name in names}
    ours, theirs = collections.defaultdict(list), collections.defaultdict(lambda: collections.defaultdict(list))
    for _ in range(options.rounds):
        for case, result in auxo_seconds(options, group.arguments, device).items():
            ours[case].append(result)
        for case in group.cases:
            for name, peer in peers.items():
                theirs[case][name].append(peer.seconds(case, options.seconds))
    for peer in peers.values():
        peer.close()
    unit = "images/s" if group.arguments[0] == "train" else "GFLOP/s"
    for case in group.cases:
        if case in ours:
            show(f"{device} {case}", unit, ours[case], theirs[case], group.target(case) if group.target else None)
    return ours, theirs


def gpu_target(case):
    return 0.8 if "4096" in case and "f16" not in case else 1 if "lenet5 batch" in case else 0.6


def on_gpu(group):
    """The group with the cases and aims of GPUs."""
    return group._replace(target=gpu_target, cases=group.cases + (GPU_CASES if "gemm" in group.arguments else []))


def run_conv2d(options, device):
    """Also the three directions of each case together, against the better layout."""
    group = GROUPS["conv2d"] if options.device == "cpu" else on_gpu(GROUPS["conv2d"])
    asked = group.target(group.cases[0])
    ours, theirs = run_group(options, group, device)
    for case in CONVS:
        names = [f"{op} {case[0]}" for op in CONV_OPS]
        peers = [sum(min(theirs[name][peer]) for name in names) for peer in theirs[names[0]]
                 if None not in [time for name in names for time in theirs[name][peer]]]
        if peers and all(name in ours for name in names):
            ratio = min(peers) / sum(min(ours[name])[0] for name in names)
            print(f"{device} {case[0]}, forward and backward together: {ratio:.2f} (asked {asked:g}: "
                  f"{'met' if ratio >= asked else 'MISSED'})", flush=True)


def run_pruning(options, device):
    """Norms and compaction together against reading the layer once, and against reading it and copying what is kept."""
    ours, theirs = run_group(options, GROUPS["pruning"], device)
    both = sum(min(times)[0] for times in ours.values())
    read, copy = (min(min(times[peer]) for times in theirs.values()) for peer in ("read", "copy"))
    print(f"{device} norms and compaction together: {both / read:.2f} times the time to read the layer once (asked: 1.5);"
          f" NumPy reads it and copies three quarters in {(read + copy) / read:.2f} times that")


def run_drivers(options):
    """OpenCL on a CPU driver against OpenBLAS and the cpu backend; Vulkan on one by itself."""
    gemm = GROUPS["gemm"]._replace(cases=["gemm 1024x1024x1024"], target=lambda case: 0.6)
    run_group(options, gemm, "opencl:0")
    training = ["train", "--model", "lenet5"]
    cpu, opencl = [], []
    for _ in range(options.rounds):
        cpu += auxo_seconds(options, training, "cpu").values()
        opencl += auxo_seconds(options, training, "opencl:0").values()
    show("opencl:0 train lenet5 batch 128", "images/s", opencl, {"auxo cpu": [result[0] for result in cpu]}, 0.7)


def run_vulkan(options):
    gemm = GROUPS["gemm"]._replace(cases=["gemm 512x512x512"], peers=())
    run_group(options, gemm, "vulkan:0")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--auxo", default="auxo", help="the program")
    parser.add_argument("--group", default="gemm,conv2d,lenet5,resnet18,pruning,opencl,vulkan", help="what to compare")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of every library")
    parser.add_argument("--seconds", type=float, default=0.2, help="repeat each case for so long in each round")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where PyTorch runs")
    parser.add_argument("--on", default="cpu", help="the device of Auxo that the groups but opencl and vulkan run on")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        return serve(options)
    for name in options.group.split(","):
        if name == "opencl":
            run_drivers(options)
        elif name == "vulkan":
            run_vulkan(options)
        elif name == "pruning":
            run_pruning(options, options.on)
        elif name == "conv2d":
            run_conv2d(options, options.on)
        elif name in GROUPS:
            run_group(options, on_gpu(GROUPS[name]) if options.device == "cuda" else GROUPS[name], options.on)
        else:
            parser.error(f"no group \"{name}\"; there are {', '.join(GROUPS)}, opencl and vulkan")
    return 0


if __name__ == "__main__":
    sys.exit(main())
