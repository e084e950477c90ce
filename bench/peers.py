#!/usr/bin/env python3
"""Times other libraries on the cases of `auxo bench`, for comparison only: nothing of Auxo depends on them.

    bench/peers.py [--threads N] [--seconds T] [--device cpu|cuda]

Prints one line per case: median milliseconds, GFLOP/s (or images/s) and the library. GEMM and convolution by PyTorch
(oneDNN on CPUs; cuBLAS and cuDNN without TF32 on NVIDIA), GEMM by the BLAS of NumPy, training of lenet5 by PyTorch.
"""
import argparse
import statistics
import time

import numpy
import torch

GEMMS = [(256, 256, 256), (512, 512, 512), (1024, 1024, 1024), (2048, 2048, 2048), (10000, 5, 5), (10000, 10, 5)]
# name, batch, channels, height and width, filters, window, stride, pad
CONVS = [("3x3 64ch 32x32 batch 32", 32, 64, 32, 64, 3, 1, 1), ("lenet5 5x5 1->6 28x28 batch 128", 128, 1, 28, 6, 5, 1, 2),
         ("lenet5 5x5 6->16 14x14 batch 128", 128, 6, 14, 16, 5, 1, 0), ("1x1 64ch 32x32 batch 32", 32, 64, 32, 64, 1, 1, 0),
         ("3x3 stride 2 64->128 32x32 batch 32", 32, 64, 32, 128, 3, 2, 1)]


def median_seconds(work, seconds, wait):
    work()
    wait()
    samples, start = [], time.monotonic()
    while len(samples) < 5 or time.monotonic() - start < seconds:
        begin = time.monotonic()
        work()
        wait()
        samples.append(time.monotonic() - begin)
    return statistics.median(samples)


def show(case, library, seconds, amount, unit):
    print(f"{case:48} {library:10} {1e3 * seconds:10.3f} ms {amount / seconds:12.1f} {unit}", flush=True)


def gemms(options, device, wait):
    for m, n, k in GEMMS:
        flops = 2e-9 * m * n * k
        a, b = torch.rand(m, k, device=device), torch.rand(k, n, device=device)
        out = torch.empty(m, n, device=device)
        show(f"gemm {m}x{n}x{k}", "pytorch", median_seconds(lambda: torch.mm(a, b, out=out), options.seconds, wait), flops, "GFLOP/s")
        if device == "cpu":
            x, y = a.numpy(), b.numpy()
            z = numpy.empty((m, n), numpy.float32)
            show(f"gemm {m}x{n}x{k}", "numpy", median_seconds(lambda: numpy.matmul(x, y, out=z), options.seconds, wait), flops, "GFLOP/s")


def convs(options, device, wait):
    backward = torch.ops.aten.convolution_backward
    for name, batch, channels, size, filters, window, stride, pad in CONVS:
        x = torch.rand(batch, channels, size, size, device=device)
        w, bias = torch.rand(filters, channels, window, window, device=device), torch.rand(filters, device=device)
        y = torch.conv2d(x, w, bias, stride, pad)
        flops = 2e-9 * y.numel() * channels * window * window

        def undo(mask):
            return backward(y, x, w, [filters], [stride] * 2, [pad] * 2, [1, 1], False, [0, 0], 1, mask)
        for op, work in (("forward", lambda: torch.conv2d(x, w, bias, stride, pad)),
                         ("backward_data", lambda: undo([True, False, False])),
                         ("backward_weights", lambda: undo([False, True, True]))):
            show(f"conv2d_{op} {name}", "pytorch", median_seconds(work, options.seconds, wait), flops, "GFLOP/s")


def lenet5(options, device, wait):
    nn, batch = torch.nn, 128
    model = nn.Sequential(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(),
                          nn.MaxPool2d(2), nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(),
                          nn.Linear(84, 10)).to(device)
    optimizer = torch.optim.Adam(model.parameters())
    x, labels = torch.rand(batch, 1, 28, 28, device=device), torch.randint(10, (batch,), device=device)

    def step():
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), labels).backward()
        optimizer.step()
    show("train lenet5 batch 128", "pytorch", median_seconds(step, options.seconds, wait), batch, "images/s")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=0, help="threads of PyTorch; 0: its own choice")
    parser.add_argument("--seconds", type=float, default=0.5, help="repeat each case for so long")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    wait = torch.cuda.synchronize if options.device == "cuda" else (lambda: None)
    print(f"pytorch {torch.__version__}, numpy {numpy.__version__}, {torch.get_num_threads()} threads, {options.device}")
    for group in (gemms, convs, lenet5):
        group(options, options.device, wait)


if __name__ == "__main__":
    main()
