#!/usr/bin/env python3
"""Random operations and small random networks, forward, backward and updated, against PyTorch in double precision.

    tests/campaigns/differential.py --cases 1000 --seed 1 --device cpu [--library build/libauxo.so]

Every case draws its shapes, parameters and values. An error counts against a bound: that of auxo/ops.h for single
operations; for networks NETWORK_BOUND roundoffs of the largest value of the same tensor. Prints a table (cases, faults,
largest error over its bound), writes it as JSON with --json FILE, and ends with status 1 if there is a fault. Without
PyTorch it says so and ends with status 77.
"""
import argparse
import json
import random
import sys

try:
    import numpy
    import torch
    import torch.nn.functional as F
except ImportError as missing:
    print(f"SKIPPED: the comparison with PyTorch needs {missing.name} (Debian: python3-torch)")
    sys.exit(77)

import auxo_library
from auxo_library import ACTIVATIONS, params

U = 2.0 ** -24
NETWORK_BOUND = 256  # roundoffs: a dozen operations, each good to a few, and five steps that carry errors on
SLOPE = 0.25


def activate(noun, x):
    return {"identity": lambda v: v, "relu": torch.relu, "leaky_relu": lambda v: F.leaky_relu(v, SLOPE),
            "elu": lambda v: F.elu(v, SLOPE), "selu": torch.selu, "sigmoid": torch.sigmoid,
            "tanh": torch.tanh}[noun](x)


class Case:
    """One random case: draws values, runs, compares."""

    def __init__(self, library, seed):
        self.library, self.random = library, random.Random(seed)
        self.generator = numpy.random.default_rng(seed)
        self.worst, self.fault = 0.0, None

    def integer(self, low, high):
        return self.random.randint(low, high)

    def choice(self, values):
        return self.random.choice(list(values))

    def values(self, *shape):
        """f32 values, as numpy and as a double tensor."""
        array = self.generator.uniform(-1, 1, shape).astype(numpy.float32)
        return array, torch.tensor(array, dtype=torch.float64)

    def tensor(self, array, dtype=numpy.float32):
        return self.library.tensor(array, dtype)

    def empty(self, *shape):
        return self.tensor(numpy.full(shape, numpy.nan))

    def compare(self, what, tensor, expected, bound):
        got = torch.tensor(self.library.read(tensor).astype(numpy.float64)) if not torch.is_tensor(tensor) else tensor
        bound = torch.as_tensor(bound, dtype=torch.float64) + 2.0 ** -126
        ratio = (got.reshape(expected.shape) - expected.detach()).abs() / bound
        if ratio.numel() == 0:
            return
        largest = float("inf") if torch.isnan(ratio).any() else float(ratio.max())
        if largest > self.worst:
            self.worst = largest
        if largest > 1 and not self.fault:
            self.fault = f"{what}: {largest:.3g} times its bound"


def gemm(case):
    m, n, k = (case.integer(1, 70) for _ in range(3))
    trans_a, trans_b, per_row = (case.choice((False, True)) for _ in range(3))
    alpha, beta = case.choice((1.0, -0.5)), case.choice((0.0, 0.0, 2.0))
    noun = case.choice(ACTIVATIONS)
    (a, a64), (b, b64) = case.values(*((k, m) if trans_a else (m, k))), case.values(*((n, k) if trans_b else (k, n)))
    (c, c64), (bias, bias64) = case.values(m, n), case.values(m if per_row else n)
    left, right = (a64.T if trans_a else a64), (b64.T if trans_b else b64)
    shift = bias64[:, None] if per_row else bias64
    expected = activate(noun, alpha * (left @ right) + beta * c64 + shift)
    size = abs(alpha) * (left.abs() @ right.abs()) + beta * c64.abs() + shift.abs()
    out = case.tensor(c)
    case.library.run("gemm", {0: case.tensor(a), 1: case.tensor(b), 2: out, 3: case.tensor(bias)},
                     params(ta=trans_a, tb=trans_b, per_row=per_row, alpha=alpha, beta=beta,
                            activation=ACTIVATIONS[noun], slope=SLOPE))
    case.compare("C", out, expected, 1.76 * (k + 4) * U * size + 16 * U * (1 + expected.abs()))


def conv2d(case):
    groups = case.choice((1, 1, 1, 2, 3))
    n, c, k = case.integer(1, 4), groups * case.integer(1, 18), groups * case.integer(1, 18)
    r, s = case.integer(1, 5), case.integer(1, 5)
    if case.choice((True, False)):
        r = s = 3
    stride, dilation = [case.choice((1, 1, 2, 3)) for _ in "hw"], [case.choice((1, 1, 1, 2)) for _ in "hw"]
    pad = [case.integer(0, 3), case.integer(0, 3)]
    h, w = (case.integer(max(1, d * (t - 1) + 1 - 2 * p), 18) for d, t, p in zip(dilation, (r, s), pad))
    (x, x64), (weights, w64), (bias, b64) = case.values(n, c, h, w), case.values(k, c // groups, r, s), case.values(k)
    x64.requires_grad_(), w64.requires_grad_(), b64.requires_grad_()
    how = {"stride": stride, "padding": pad, "dilation": dilation, "groups": groups}
    y64 = F.conv2d(x64, w64, b64, **how)
    if y64.numel() == 0:
        return
    dy, dy64 = case.values(*y64.shape)
    y64.backward(dy64)
    absolute = [t.detach().abs().requires_grad_() for t in (x64, w64, b64)]
    size = F.conv2d(*absolute, **how)
    size.backward(dy64.abs())
    fast = (r, s) == (3, 3) and stride == dilation == [1, 1]  # Winograd: S is the greatest under a tile
    spread = (lambda t: t.amax((2, 3), keepdim=True)) if fast else (lambda t: t)
    shape = params(sh=stride[0], sw=stride[1], ph=pad[0], pw=pad[1], dh=dilation[0], dw=dilation[1], groups=groups,
                   activation=0, slope=0.0)
    p, q = y64.shape[2:]
    tensors = [case.tensor(v) for v in (x, weights, dy)]
    y, dx, dw, db = (case.empty(*t.shape) for t in (y64, x64, w64, b64))
    case.library.run("conv2d_forward", {0: tensors[0], 1: tensors[1], 2: y, 3: case.tensor(bias)}, shape)
    case.library.run("conv2d_backward_data", {0: tensors[2], 1: tensors[1], 2: dx}, shape)
    case.library.run("conv2d_backward_weights", {0: tensors[0], 1: tensors[2], 2: dw, 3: db}, shape)
    case.compare("Y", y, y64, (c // groups * r * s + 5) * U * spread(size.detach()))
    case.compare("DX", dx, x64.grad, (k // groups * r * s + 4) * U * spread(absolute[0].grad))
    case.compare("DW", dw, w64.grad, (n * p * q + 4) * U * absolute[1].grad)
    case.compare("DBIAS", db, b64.grad, (n * p * q + 4) * U * absolute[2].grad)


def pool2d(case):
    n, c = case.integer(1, 3), case.integer(1, 9)
    window, stride = [case.integer(1, 4) for _ in "hw"], [case.integer(1, 4) for _ in "hw"]
    pad = [case.integer(0, v // 2) for v in window]
    h, w = (case.integer(max(1, v - 2 * p), 20) for v, p in zip(window, pad))
    x, x64 = case.values(n, c, h, w)
    x64.requires_grad_()
    average = case.choice((False, True))
    y64 = (F.avg_pool2d(x64, window, stride, pad, count_include_pad=False) if average
           else F.max_pool2d(x64, window, stride, pad))
    dy, dy64 = case.values(*y64.shape)
    y64.backward(dy64)
    shape = params(kind=int(average), wh=window[0], ww=window[1], sh=stride[0], sw=stride[1], ph=pad[0], pw=pad[1])
    y, dx = case.empty(*y64.shape), case.empty(*x64.shape)
    slots, backward = {0: case.tensor(x), 1: y}, {0: case.tensor(dy), 1: dx}
    if not average:
        slots[2] = backward[2] = case.tensor(numpy.zeros(y64.shape), numpy.uint8)
    case.library.run("pool2d_forward", slots, shape)
    case.library.run("pool2d_backward", backward, shape)
    terms = window[0] * window[1] + 4
    case.compare("Y", y, y64, terms * U if average else 0)
    case.compare("DX", dx, x64.grad, terms * terms * U)


def activation(case):
    noun, count = case.choice(ACTIVATIONS), case.integer(1, 3000)
    x, x64 = case.values(count)
    x, x64 = x * 8, (x64 * 8).requires_grad_()
    y64 = activate(noun, x64)
    dy, dy64 = case.values(count)
    y64.backward(dy64)
    y, dx = case.empty(count), case.empty(count)
    how = params(activation=ACTIVATIONS[noun], slope=SLOPE)
    case.library.run("activation_forward", {0: case.tensor(x), 1: y}, how)
    case.library.run("activation_backward", {0: y, 1: case.tensor(dy), 2: dx}, how)
    case.compare("Y", y, y64, 8 * U + 16 * U * y64.abs().detach())
    case.compare("DX", dx, x64.grad, 64 * U * dy64.abs())


def batch_norm(case):
    n, c, inner, mean = case.integer(2, 20), case.integer(1, 30), case.integer(2, 90), case.choice((0, 0, 3, -50, 1e4))
    x = (case.values(n, c, inner)[0] + numpy.float32(mean)).astype(numpy.float32)
    x64 = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    (gamma, g64), (beta, b64) = case.values(c), case.values(c)
    g64.requires_grad_(), b64.requires_grad_()
    running = [numpy.zeros(c, numpy.float32), numpy.ones(c, numpy.float32)]
    running64 = [torch.tensor(v, dtype=torch.float64) for v in running]
    epsilon, momentum = float(numpy.float32(1e-3)), 0.125
    y64 = F.batch_norm(x64, *running64, g64, b64, True, momentum, epsilon)
    dy, dy64 = case.values(n, c, inner)
    y64.backward(dy64)
    how = params(training=True, epsilon=epsilon, momentum=momentum, activation=0, slope=0.0)
    device_x, device_gamma = case.tensor(x), case.tensor(gamma)
    y, dx, dgamma, dbeta, saved_mean, saved_invstd = (case.empty(*shape) for shape in
                                                      ((n, c, inner),) * 2 + ((c,),) * 4)
    statistics = [case.tensor(v) for v in running]
    case.library.run("batch_norm_forward", {0: device_x, 1: device_gamma, 2: case.tensor(beta), 3: statistics[0],
                                            4: statistics[1], 5: y, 6: saved_mean, 7: saved_invstd}, how)
    case.library.run("batch_norm_backward", {0: device_x, 1: device_gamma, 2: saved_mean, 3: saved_invstd,
                                             4: case.tensor(dy), 5: dx, 6: dgamma, 7: dbeta}, how)
    count, largest = n * inner, abs(mean) + 1
    deviation = 10 + largest * 2.0 ** -12
    case.compare("Y", y, y64, 64 * U * (3 * deviation + 2))
    case.compare("RUNNING_MEAN", statistics[0], running64[0], 64 * U * largest)
    case.compare("RUNNING_VAR", statistics[1], running64[1], 64 * U * (largest + 2))
    # the saved mean is rounded to f32: xhat is off by u |mean| invstd
    case.compare("DBETA", dbeta, b64.grad, 20 * U * count)
    case.compare("DGAMMA", dgamma, g64.grad, (60 + 8 * largest) * U * count)
    case.compare("DX", dx, x64.grad, 256 * U * (1 + largest))


def losses(case):
    rows, classes = case.integer(1, 300), case.integer(1, 40)
    spread = case.choice((1, 8, 64))  # powers of two, so that f32 and double multiply alike
    z, z64 = case.values(rows, classes)
    z, z64 = z * numpy.float32(spread), (z64 * spread).requires_grad_()
    labels = case.generator.integers(0, classes, rows)
    loss64 = F.cross_entropy(z64, torch.tensor(labels))
    loss64.backward()
    loss, dz, soft = case.empty(2), case.empty(rows, classes), case.empty(rows, classes)
    device_z = case.tensor(z)
    case.library.run("softmax_cross_entropy", {0: device_z, 1: case.tensor(labels, numpy.uint32), 2: loss, 3: dz})
    case.library.run("softmax", {0: device_z, 1: soft})
    pair = torch.tensor(case.library.read(loss).astype(numpy.float64)).sum()
    case.compare("cross entropy", pair, loss64, 16 * U * (1 + spread))
    case.compare("DLOGITS", dz, z64.grad, U * (16 / rows + 64 * z64.grad.abs()))
    soft64 = torch.softmax(z64.detach(), 1)
    case.compare("softmax", soft, soft64, U * (8 + 64 * soft64))
    (a, a64), (b, b64) = case.values(rows, classes), case.values(rows, classes)
    a64.requires_grad_()
    loss64 = F.mse_loss(a64, b64)
    loss64.backward()
    case.library.run("mse", {0: case.tensor(a), 1: case.tensor(b), 2: loss, 3: dz})
    pair = torch.tensor(case.library.read(loss).astype(numpy.float64)).sum()
    case.compare("mse", pair, loss64, 4 * U * loss64.detach())
    case.compare("DPREDICTION", dz, a64.grad, 4 * U * a64.grad.abs() + 4 * U / (rows * classes))


def reduce(case):
    outer, c, inner = case.integer(1, 60), case.integer(1, 20), case.integer(1, 200)
    kinds = {"SUM": lambda v: v.sum((0, 2)), "MEAN": lambda v: v.mean((0, 2)), "MAX": lambda v: v.amax((0, 2)),
             "MIN": lambda v: v.amin((0, 2)), "SUM_ABS": lambda v: v.abs().sum((0, 2)),
             "SUM_SQUARES": lambda v: (v * v).sum((0, 2)), "MAX_ABS": lambda v: v.abs().amax((0, 2))}
    kind = case.choice(kinds)
    x, x64 = case.values(outer, c, inner)
    y = case.empty(c)
    case.library.run("reduce", {0: case.tensor(x), 1: y}, params(kind=list(kinds).index(kind)))
    exact = "MAX" in kind or "MIN" in kind
    terms = outer * inner
    size = kinds["SUM_SQUARES" if kind == "SUM_SQUARES" else "SUM_ABS"](x64) / (terms if kind == "MEAN" else 1)
    case.compare(kind, y, kinds[kind](x64), 0 if exact else (8 + numpy.ceil(numpy.log2(max(terms, 2)))) * U * size)


def optimizer(case):
    count, steps = case.integer(1, 400), 3
    f32 = lambda v: float(numpy.float32(v))
    lr, beta1, beta2, decay = f32(0.05), f32(0.9), f32(0.999), case.choice((0.0, f32(0.1)))
    epsilon = f32(1e-6)
    makers = [
        ("sgd", 0, lambda p: torch.optim.SGD(p, lr, weight_decay=decay)),
        ("momentum", 1, lambda p: torch.optim.SGD(p, lr, beta1, weight_decay=decay)),
        ("nesterov", 1, lambda p: torch.optim.SGD(p, lr, beta1, weight_decay=decay, nesterov=True)),
        ("rmsprop", 1, lambda p: torch.optim.RMSprop(p, lr, beta1, epsilon, decay)),
        ("adagrad", 1, lambda p: torch.optim.Adagrad(p, lr, weight_decay=decay, eps=epsilon)),
        ("adam", 2, lambda p: torch.optim.Adam(p, lr, (beta1, beta2), epsilon, decay)),
        ("adamw", 2, lambda p: torch.optim.AdamW(p, lr, (beta1, beta2), epsilon, decay))]
    kind = case.integer(0, len(makers) - 1)
    noun, states, make = makers[kind]
    w, w64 = case.values(count)
    w64.requires_grad_()
    start = w64.detach().clone()
    torch_optimizer = make([w64])
    slots = {0: case.tensor(w), 4: case.tensor([lr, beta1, beta2, epsilon, decay, 1, 0, 0])}
    for i in range(states):
        slots[2 + i] = case.tensor(numpy.zeros(count))
    for step in range(steps):
        g, g64 = case.values(count)
        w64.grad = g64
        torch_optimizer.step()
        slots.update({1: case.tensor(g), 5: case.tensor([step + 1, 0, 0, 0], numpy.uint32)})
        case.library.run("optimizer_step", slots, params(kind=kind, euler=False, exponential=False))
    moved = (w64.detach() - start).abs() + lr * steps
    loss_of_bits = 1000 if states == 2 else 64  # 1 - beta^t loses up to u / (1 - beta)
    case.compare(noun, slots[0], w64, steps * 16 * U * (1 + w64.abs().detach()) + loss_of_bits * U * moved)


def network(case):
    """A chain of random layers; gradients of the first step and weights after five."""
    channels, size, batch, classes = case.integer(1, 3), case.integer(6, 12), case.integer(6, 24), case.integer(2, 6)
    noun = case.choice(("tanh", "sigmoid", "elu", "relu"))
    layers = [{"name": "input", "kind": "input", "shape": [channels, size, size]}]
    modules, width = [], channels
    for i in range(case.integer(0, 2)):
        units, stride = case.integer(1, 9), case.choice((1, 1, 2))
        layers.append({"name": f"c{i}", "kind": "conv2d", "units": units, "kernel": 3, "pad": 1, "stride": stride})
        modules.append(torch.nn.Conv2d(width, units, 3, stride, 1))
        width, size = units, (size - 1) // stride + 1
        if case.choice((True, False)):
            layers.append({"name": f"n{i}", "kind": "batch_norm"})
            modules.append(torch.nn.BatchNorm2d(units))
        layers.append({"name": f"a{i}", "kind": "activation", "activation": noun, "slope": 1})
        modules.append({"tanh": torch.nn.Tanh, "sigmoid": torch.nn.Sigmoid, "elu": torch.nn.ELU,
                        "relu": torch.nn.ReLU}[noun]())
        if size >= 4 and case.choice((True, False)):
            kind = case.choice(("max", "average"))
            layers.append({"name": f"p{i}", "kind": "pool2d", "pool": kind, "kernel": 2, "stride": 2})
            modules.append(torch.nn.MaxPool2d(2) if kind == "max" else torch.nn.AvgPool2d(2))
            size //= 2
    layers.append({"name": "flat", "kind": "flatten"})
    modules.append(torch.nn.Flatten())
    width *= size * size
    if case.choice((True, False)):
        units = case.integer(1, 20)
        layers.append({"name": "hidden", "kind": "dense", "units": units, "activation": "tanh"})
        modules += [torch.nn.Linear(width, units), torch.nn.Tanh()]
        width = units
    layers.append({"name": "out", "kind": "dense", "units": classes})
    modules.append(torch.nn.Linear(width, classes))
    twin = torch.nn.Sequential(*modules).double().train()
    x, x64 = case.values(batch, channels, layers[0]["shape"][1], layers[0]["shape"][1])
    labels = case.generator.integers(0, classes, batch)
    training = auxo_library.Training(case.library, json.dumps({"layers": layers}), x, labels, "momentum:lr=0.02")
    try:
        compare_network(case, training, twin, x64, torch.tensor(labels))
    finally:
        training.close()


def compare_network(case, training, twin, x64, labels):
    start, at = torch.tensor(training.weights().astype(numpy.float64)), 0
    for parameter in twin.parameters():
        parameter.data.copy_(start[at:at + parameter.numel()].reshape(parameter.shape))
        at += parameter.numel()
    if at != training.count:
        case.fault = f"{training.count} weights, but PyTorch's network has {at}"
        return
    update = torch.optim.SGD(twin.parameters(), float(numpy.float32(0.02)), float(numpy.float32(0.9)))
    flat = lambda values: torch.cat([v.detach().reshape(-1) for v in values])
    for step in range(5):
        update.zero_grad()
        loss = F.cross_entropy(twin(x64), labels)
        loss.backward()
        update.step()
        training.step(1)
        if step in (0, 4):
            gradients = flat(p.grad for p in twin.parameters())
            got = torch.tensor(training.gradients().astype(numpy.float64))
            case.compare(f"gradients of step {step + 1}", got, gradients,
                         NETWORK_BOUND * U * (1e-2 + float(gradients.abs().max())))
    weights = flat(twin.parameters())
    got = torch.tensor(training.weights().astype(numpy.float64))
    case.compare("weights after 5 steps", got, weights, NETWORK_BOUND * U * (1e-2 + float(weights.abs().max())))


FAMILIES = {"gemm": gemm, "convolution": conv2d, "pooling": pool2d, "activation": activation,
            "batch norm": batch_norm, "losses, softmax": losses, "reduce": reduce, "optimisers": optimizer,
            "networks": network}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--library", default=str(auxo_library.ROOT / "build/libauxo.so"))
    parser.add_argument("--json", help="write the totals to this file")
    options = parser.parse_args()
    torch.set_num_threads(1)
    library = auxo_library.Library(options.library, options.device)
    rows = {name: {"cases": 0, "faults": 0, "largest": 0.0} for name in FAMILIES}
    for index in range(options.cases):
        name = list(FAMILIES)[index % len(FAMILIES)]
        case = Case(library, options.seed * 1000003 + index)
        torch.manual_seed(index)
        try:
            FAMILIES[name](case)
        except auxo_library.AuxoError as failure:
            case.fault = str(failure)
        library.release()
        row = rows[name]
        row["cases"] += 1
        row["faults"] += case.fault is not None
        row["largest"] = max(row["largest"], case.worst)
        if case.fault:
            print(f"fault: {name}, case {index} of seed {options.seed}: {case.fault}")
    print(f"| {options.device}: against PyTorch {torch.__version__} | cases | faults | largest error / bound |")
    print("| --- | ---: | ---: | ---: |")
    for name, row in rows.items():
        print(f"| {name} | {row['cases']} | {row['faults']} | {row['largest']:.3f} |")
    faults = sum(row["faults"] for row in rows.values())
    print(f"{options.cases} cases, {faults} faults")
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"device": options.device, "seed": options.seed, "families": rows}, file, indent=1)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
