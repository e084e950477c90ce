#!/usr/bin/env python3
"""What multi-scale training costs, beside PyTorch and beside what was aimed at: for comparison only, nothing depends on it.

    bench/multiscale.py [--auxo PROGRAM] [--devices cpu,opencl:0] [--rounds N] [--threads N] [--min-seconds T]

Each round times PyTorch's full-batch gradient descent (forward, backward, SGD step; 10,000 points; a process of its own)
and then `auxo bench multiscale` on every device, so that a machine that slows down slows all of them. Printed are the
least of the rounds' medians, their ratios with the spread over the rounds, and whether the aim was met.
"""
import argparse
import json
import math
import os
import subprocess
import sys
import time

LAYERS = (8, 21, 51)
ROWS = 10000


def torch_epochs(threads, seconds):
    """{layers: ms} of one epoch; runs in a process of its own."""
    import torch
    torch.set_num_threads(threads)
    found = {}
    for layers in LAYERS:
        torch.manual_seed(1)
        stack, width = [], 4
        for layer in range(layers):
            stack.append(torch.nn.Linear(width, 5 if layer + 1 < layers else 2))
            if layer + 1 < layers:
                stack.append(torch.nn.Tanh())
            width = 5
        net = torch.nn.Sequential(*stack)
        x, y = torch.randn(ROWS, 4), torch.randn(ROWS, 2)
        sgd = torch.optim.SGD(net.parameters(), lr=1e-4)

        def epoch():
            sgd.zero_grad()
            torch.nn.functional.mse_loss(net(x), y).backward()
            sgd.step()
        for _ in range(3):
            epoch()
        times, spent = [], 0.0
        while spent < seconds or len(times) < 5:
            start = time.perf_counter()
            epoch()
            times.append(time.perf_counter() - start)
            spent += times[-1]
        found[layers] = 1e3 * sorted(times)[len(times) // 2]
    print(json.dumps(found))


def run_torch(options, environment):
    output = subprocess.run([sys.executable, os.path.abspath(__file__), "--torch", str(options.min_seconds), "--threads",
                             str(options.threads)], capture_output=True, text=True, env=environment, check=True).stdout
    return {int(layers): ms for layers, ms in json.loads(output).items()}


def run_auxo(options, device, environment, selection):
    command = [options.auxo, "bench", "multiscale", "--device", device, "--json", "--rows", str(ROWS), "--min-seconds",
               str(options.min_seconds), "--selection-layers", str(selection)]
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    if result.returncode != 0:
        sys.exit(f"{' '.join(command)}: {result.stderr.strip() or result.stdout.strip()}")
    events = [json.loads(line) for line in result.stdout.splitlines()]
    return {(event["layers"], event["case"]): event for event in events if event["event"] == "case"}, events[-1]


class Table:
    def __init__(self):
        self.missed = 0

    def row(self, name, value, aim, met):
        self.missed += met is False
        print(f"| {name} | {value} | {aim} | {'' if met is None else 'yes' if met else '**no**'} |")


def least(rounds, key):
    return min(cases[key]["ms"] for cases in rounds)


def spread(values):
    return f"{min(values):.3g}" if len(values) < 2 else f"{min(values):.3g} to {max(values):.3g}"


def compare_epochs(table, torch, auxo):
    for layers in LAYERS:
        ratios = [t[layers] / a[(layers, "epoch, all layers")]["ms"] for t, a in zip(torch, auxo)]
        ratio = min(t[layers] for t in torch) / least(auxo, (layers, "epoch, all layers"))
        table.row(f"epoch of {layers} layers: PyTorch {min(t[layers] for t in torch):.2f} ms, "
                  f"Auxo {least(auxo, (layers, 'epoch, all layers')):.3f} ms", f"{ratio:.1f} x ({spread(ratios)})",
                  "20 x", ratio >= 20)


def compare_layers(table, auxo):
    """Training layer k of L runs the layers from k on; the first has no prefix to skip, only fewer gradients."""
    for layers in LAYERS:
        whole = least(auxo, (layers, "epoch, all layers"))
        for k in sorted({1, layers // 4 + 1, layers // 2 + 1, layers * 3 // 4 + 1, layers}):
            part = least(auxo, (layers, f"epoch, layer {k}")) / whole
            left = (layers - k + 1) / layers
            table.row(f"epoch of layer {k} of {layers}, of a whole one", f"{part:.2f}", f"{left:.2f} of the layers run",
                      None)


def compare_sensitivities(table, auxo):
    for layers in LAYERS:
        exact = least(auxo, (layers, "exact sensitivities of the tree")) / least(auxo, (layers, "gradient"))
        table.row(f"exact sensitivities of the tree of {layers} layers, in gradients", f"{exact:.2f}", "1.5", exact <= 1.5)
        masks = 2 * (2 * layers - 1)
        share = least(auxo, (layers, "central differences of the tree")) / (masks * least(auxo, (layers, "forward")))
        table.row(f"all central differences of {layers} layers ({masks} masks), in forward passes per mask",
                  f"{share:.2f}", "0.6 at 51 layers", share <= 0.6 if layers == 51 else None)


def compare_selections(table, auxo):
    names = {"selection, exact": "exact", "selection, central differences": "central differences"}
    for name, noun in names.items():
        sizes = sorted(layers for layers, case in auxo[0] if case == name)
        if not sizes:
            continue
        ratios = [min(cases[(layers, name)]["ratio"] for cases in auxo) for layers in sizes]
        text = ", ".join(f"{layers}: {least(auxo, (layers, name)):.3g} ms = {ratio * math.log2(layers):.2g} forward"
                         for layers, ratio in zip(sizes, ratios))
        # A walk that ends at an early layer perturbs more layers than one that ends late, and each network has its
        # favourites: the trend shows between the halves of the sizes, not between two sizes.
        half = len(ratios) // 2
        growth = sum(ratios[-half:]) / sum(ratios[:half]) if half else 1
        table.row(f"one selection, {noun} (1000 points): {text}", f"{growth:.2f} x",
                  "per forward pass and log2 of the layers, the larger half of the sizes over the smaller: not growing",
                  growth <= 1.1)


def compare_devices(table, base, other, name):
    for layers in LAYERS:
        for case in ("epoch, all layers", "exact sensitivities of the tree", "central differences of the tree"):
            ratio = least(other, (layers, case)) / least(base, (layers, case))
            table.row(f"{name}: {case}, {layers} layers, of cpu's time", f"{ratio:.2f}", "2", ratio <= 2)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--auxo", default=os.path.join(os.path.dirname(__file__), "..", "build", "auxo"))
    parser.add_argument("--devices", default="cpu", help="the first is the one that is set beside PyTorch")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--min-seconds", type=float, default=0.3)
    parser.add_argument("--selection-layers", type=int, default=1024)
    parser.add_argument("--torch", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.torch is not None:
        torch_epochs(options.threads, options.torch)
        return
    environment = dict(os.environ, OMP_NUM_THREADS=str(options.threads))
    devices = options.devices.split(",")
    torch, auxo, names = [], {device: [] for device in devices}, {}
    for _ in range(options.rounds):
        torch.append(run_torch(options, environment))
        for device in devices:
            selection = options.selection_layers if device == devices[0] else 0
            cases, names[device] = run_auxo(options, device, environment, selection)
            auxo[device].append(cases)
    for device in devices:
        print(f"{device}: {names[device]['name']}, {names[device]['driver']}")
    print(f"{ROWS} points, {options.threads} threads, {options.rounds} rounds\n\n| | measured | aim | met |\n|---|---|---|---|")
    table, base = Table(), auxo[devices[0]]
    compare_epochs(table, torch, base)
    compare_layers(table, base)
    compare_sensitivities(table, base)
    compare_selections(table, base)
    for device in devices[1:]:
        compare_devices(table, base, auxo[device], device)
    print(f"\n{table.missed} aims missed")


main()
