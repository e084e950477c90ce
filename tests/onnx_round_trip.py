#!/usr/bin/env python3
"""Networks go to ONNX and back: what onnxruntime computes from them is what Auxo does, and PyTorch's networks come in.

    tests/onnx_round_trip.py [--program build/auxo] [--torch PYTHON]

Needs onnx and onnxruntime from PyPI; says SKIPPED and ends with status 77 without them. --torch: a Python with PyTorch,
which writes networks of its own (default: /usr/bin/python3; without torch that part is skipped, visibly). Ends with
status 1 at the first thing that is not as it must be.
"""
import argparse
import csv
import os
import pathlib
import subprocess
import sys
import tempfile

try:
    import numpy
    import onnx
    import onnxruntime
except ImportError:
    print("onnx round trip: SKIPPED, there is no onnx, onnxruntime or numpy (pip install onnx onnxruntime numpy)")
    sys.exit(77)

ROOT = pathlib.Path(__file__).resolve().parents[1]
TABLE = """size,colour,when,target,kind
1.5,red,20260101,10.5,ant
2.5,blue,20260102,20.25,bee
,green,20260103,5,ant
4.5,red,20260104,7,cat
5.5,blue,20260105,33,cat
6.5,,20260106,12,bee
7.5,green,20260107,18,ant
8.5,red,20260108,22,bee
"""
NETWORKS = ["lenet5:tanh", "autosize-mlp", "vgg-small", "resnet18", "conv:8-12"]
# Every kind of layer, with branches.
EVERYTHING = """{"layers": [
    {"name": "input", "kind": "input", "shape": [1, 28, 28]},
    {"name": "conv", "kind": "conv2d", "units": 6, "kernel": 3, "stride": 2, "pad": 1, "activation": "elu", "slope": 0.7},
    {"name": "norm", "kind": "batch_norm", "activation": "leaky_relu", "slope": 0.2},
    {"name": "pool", "kind": "pool2d", "pool": "average", "kernel": 3, "stride": 2, "pad": 1},
    {"name": "left", "kind": "conv2d", "units": 6, "kernel": 3, "pad": 1, "groups": 2, "activation": "sigmoid"},
    {"name": "right", "kind": "conv2d", "inputs": ["pool"], "units": 6, "kernel": 3, "pad": 2, "dilation": 2,
     "bias": false},
    {"name": "sum", "kind": "add", "inputs": ["left", "right"]},
    {"name": "act", "kind": "activation", "activation": "selu"},
    {"name": "joined", "kind": "concat", "inputs": ["act", "sum"]},
    {"name": "drop", "kind": "dropout", "rate": 0.3},
    {"name": "max", "kind": "pool2d", "pool": "max", "kernel": 2, "stride": 2},
    {"name": "flatten", "kind": "flatten"},
    {"name": "hidden", "kind": "dense", "units": 12, "activation": "tanh"},
    {"name": "last", "kind": "dense", "units": 10}]}"""
# Written by PyTorch, whose own outputs are the oracle.
TORCH = """
import sys, warnings
import numpy, torch
from torch import nn
try:
    from torchvision.models import resnet18
except ImportError:
    resnet18 = None
warnings.filterwarnings("ignore")
torch.manual_seed(5)
newer = int(torch.__version__.split(".")[0]) * 100 + int(torch.__version__.split(".")[1]) >= 206

class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.n, self.b = nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 3, padding=1, bias=False)
    def forward(self, x):
        return torch.relu(self.b(torch.relu(self.n(self.a(x)))) + x)

class Mean(nn.Module):
    def forward(self, x):
        return x.mean((2, 3))

networks = {
    "mean": (nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sigmoid(), Mean(), nn.Linear(4, 3)), (3, 9, 7)),
    "cnn": (nn.Sequential(nn.Conv2d(3, 8, 5, stride=2, padding=2), nn.BatchNorm2d(8), nn.ReLU(), Block(), nn.MaxPool2d(2),
                          nn.Dropout(), nn.Conv2d(8, 12, 3, groups=4), nn.ELU(0.5), nn.AdaptiveAvgPool2d(1),
                          nn.Flatten(), nn.Linear(12, 5), nn.Softmax(1)), (3, 24, 24)),
    "mlp": (nn.Sequential(nn.Linear(7, 9), nn.Tanh(), nn.Linear(9, 4, bias=False), nn.SELU(), nn.Linear(4, 2)), (7,)),
}
if resnet18:
    networks["resnet"] = (resnet18(num_classes=7), (3, 64, 64))
for name, (net, shape) in networks.items():
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(); module.running_var.uniform_(0.5, 2); module.weight.data.uniform_(0.5, 2)
    net.eval()
    x = torch.randn(6, *shape)
    if newer:
        # As it comes by default: weights in a second file.
        torch.onnx.export(net, (x,), f"{sys.argv[1]}/{name}.onnx", dynamo=True, dynamic_shapes=({0: "batch"},), verbose=False)
    else:
        torch.onnx.export(net, x[:1], f"{sys.argv[1]}/{name}.onnx", opset_version=13, input_names=["x"], output_names=["y"],
                          dynamic_axes={"x": {0: "batch"}, "y": {0: "batch"}})
    numpy.save(f"{sys.argv[1]}/{name}_x.npy", x.numpy())
    body = net[:-1] if name == "cnn" else net
    numpy.save(f"{sys.argv[1]}/{name}_y.npy", body(x).detach().numpy())
gelu = nn.Sequential(nn.Linear(4, 3), nn.GELU())
options = {"dynamo": True, "verbose": False} if newer else {"opset_version": 13}
torch.onnx.export(gelu, (torch.randn(2, 4),), f"{sys.argv[1]}/gelu.onnx", **options)
"""


def check(condition, what):
    if not condition:
        sys.exit(f"onnx round trip: {what}")


def near(ours, theirs, what, bound=1e-5):
    ours, theirs = numpy.asarray(ours, "f8"), numpy.asarray(theirs, "f8")
    check(ours.shape == theirs.shape, f"{what}: shapes {ours.shape} and {theirs.shape}")
    worst = numpy.abs(ours - theirs).max() / max(1e-3, numpy.abs(theirs).max())
    check(worst <= bound, f"{what}: {worst:.2e} of the largest value apart, {bound:g} is allowed")
    return worst


class Runner:
    def __init__(self, program, folder):
        self.program, self.folder = program, pathlib.Path(folder)

    def auxo(self, *words, expect=0):
        done = subprocess.run([self.program, *words], cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, check=False)
        check(done.returncode == expect, f"auxo {' '.join(words)} ended with {done.returncode}: {done.stderr}")
        return done

    def export(self, name):
        self.auxo("export", f"{name}.safetensors", "--onnx", f"{name}.onnx", "--device", "cpu")
        model = onnx.load(self.folder / f"{name}.onnx")
        onnx.checker.check_model(model, full_check=True)
        check({entry.domain: entry.version for entry in model.opset_import}[""] == 17, "the operator set is not 17")
        return onnxruntime.InferenceSession(str(self.folder / f"{name}.onnx"), providers=["CPUExecutionProvider"])

    def predict(self, name, data, *words):
        """Rows of the CSV that predict writes."""
        done = self.auxo("predict", f"{name}.safetensors", "--data", data, "--device", "cpu", "--split", "all", *words)
        return list(csv.DictReader(done.stdout.splitlines()))

    def back(self, name, data, *words):
        """What was written comes back as the model it was."""
        self.auxo("import", f"{name}.onnx", "--save", f"{name}_back.safetensors", "--device", "cpu")
        check(self.predict(name, data, *words) == self.predict(f"{name}_back", data, *words),
              f"{name}: other predictions after export and import")


def pictures(runner, network):
    """A network on pictures of bytes, untrained but for one step, so that statistics and standardisation matter."""
    x = numpy.random.default_rng(3).integers(0, 256, (40, 1, 28, 28)).astype("u1")
    numpy.save(runner.folder / "X.npy", x)
    numpy.save(runner.folder / "y.npy", numpy.arange(40) % 10)
    name = "".join(letter for letter in network if letter.isalnum())
    runner.auxo("train", "--data", "X.npy", "--model", network, "--epochs", "1", "--batch", "16", "--device", "cpu", "--seed",
                "2", "--save", f"{name}.safetensors")
    session = runner.export(name)
    rows = runner.predict(name, "X.npy")
    logits, probabilities, label = session.run(None, {"input": x.astype("f4")})
    worst = near([float(row["probability"]) for row in rows], probabilities.max(1), f"{network}: probabilities")
    check([int(row["class"]) for row in rows] == list(logits.argmax(1)), f"{network}: classes")
    check([row["name"] for row in rows] == [str(value) for value in label], f"{network}: labels")
    check(len(session.run(None, {"input": x[:3].astype("f4")})[0]) == 3, f"{network}: another batch")
    runner.back(name, "X.npy")
    return worst


def columns(path):
    """The columns of a table as a session takes them."""
    with open(path, encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    number = lambda text: float(text) if text else float("nan")
    return {"size": numpy.array([[number(row["size"])] for row in rows]),
            "colour": numpy.array([[row["colour"]] for row in rows], object),
            "when": numpy.array([[number(row["when"])] for row in rows])}


def tables(runner):
    (runner.folder / "t.csv").write_text(TABLE, encoding="utf-8")
    inputs = columns(runner.folder / "t.csv")
    common = ["train", "--data", "t.csv", "--missing", "mean", "--model", "mlp:8-4", "--epochs", "5", "--device", "cpu"]
    runner.auxo(*common, "--targets", "target", "--inputs", "size,colour,when", "--save", "real.safetensors")
    session = runner.export("real")
    ours = [float(row["target"]) for row in runner.predict("real", "t.csv")]
    worst = near(session.run(None, inputs)[0][:, 0], ours, "a table of numbers", 1e-6)
    runner.back("real", "t.csv")
    try:
        session.run(None, {**inputs, "colour": numpy.array([["violet"]] * len(ours), object)})
        check(False, "an unknown level is taken silently")
    except onnxruntime.capi.onnxruntime_pybind11_state.Fail:
        pass
    runner.auxo(*common, "--targets", "kind", "--inputs", "size,colour,when", "--save", "kind.safetensors")
    _, probabilities, label = runner.export("kind").run(None, inputs)
    rows = runner.predict("kind", "t.csv")
    check([row["name"] for row in rows] == list(label), "a table of classes: names")
    near([float(row["probability"]) for row in rows], probabilities.max(1), "a table of classes")
    runner.back("kind", "t.csv")
    return worst


def survival(runner):
    """Risks, and the curve of each row at three of the times that the file lists."""
    table = runner.auxo("survival", "simulate", "--rows", "200", "--columns", "4").stdout
    (runner.folder / "sim.csv").write_text(table, encoding="utf-8")
    runner.auxo("survival", "train", "--data", "sim.csv", "--time", "time", "--event", "event", "--epochs", "3", "--model",
                "mlp:8", "--device", "cpu", "--save", "cox.safetensors")
    session = runner.export("cox")
    rows = list(csv.DictReader(table.splitlines()))
    inputs = {value.name: numpy.array([[float(row[value.name])] for row in rows]) for value in session.get_inputs()}
    risk, curves, times = session.run(None, inputs)
    chosen = [3, len(times) // 2, len(times) - 1]
    done = runner.auxo("survival", "predict", "cox.safetensors", "--data", "sim.csv", "--split", "all", "--device", "cpu",
                       "--at", ",".join(repr(float(times[i])) for i in chosen))
    ours = list(csv.DictReader(done.stdout.splitlines()))
    worst = near(risk[:, 0], [float(row["risk"]) for row in ours], "risks")
    names = [name for name in ours[0] if name.startswith("survival_at")]
    return max(worst, near(curves[:, chosen], [[float(row[name]) for name in names] for row in ours], "survival curves"))


def imports(runner, python):
    probe = subprocess.run([python, "-c", "import torch"], stderr=subprocess.DEVNULL, check=False)
    if probe.returncode != 0:
        print(f"onnx round trip: networks of PyTorch SKIPPED, {python} has no torch")
        return
    subprocess.run([python, "-c", TORCH, str(runner.folder)], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    networks = sorted(path.stem for path in runner.folder.glob("*.onnx") if (runner.folder / f"{path.stem}_y.npy").exists())
    check({"cnn", "mlp", "mean"} <= set(networks), f"PyTorch wrote {networks} only")
    worst = 0
    for name in networks:
        runner.auxo("import", f"{name}.onnx", "--save", f"{name}.safetensors", "--device", "cpu")
        theirs = numpy.load(runner.folder / f"{name}_y.npy")
        session = runner.export(name)
        ours = session.run(None, {session.get_inputs()[0].name: numpy.load(runner.folder / f"{name}_x.npy")})[0]
        worst = max(worst, near(ours, theirs, f"PyTorch's {name}, in and out again"))
        rows = runner.predict(name, f"{name}_x.npy")
        worst = max(worst, near([[float(value) for key, value in row.items() if key != "row"] for row in rows], theirs,
                                f"PyTorch's {name}"))
    error = runner.auxo("import", "gelu.onnx", "--save", "gelu.safetensors", expect=2).stderr
    check(error.count("\n") == 1 and ('(Div)' in error or '(Gelu)' in error), f"an operator that is not covered: {error}")
    (runner.folder / "cut.onnx").write_bytes((runner.folder / "cnn.onnx").read_bytes()[:-100])
    error = runner.auxo("import", "cut.onnx", "--save", "cut.safetensors", expect=2).stderr
    check("cut.onnx" in error and error.count("\n") == 1, f"half a file: {error}")
    check(not (runner.folder / "cut.safetensors").exists(), "something was written for half a file")
    print(f"onnx round trip: PyTorch's {', '.join(networks)} in and out again; worst {worst:.1e} of the largest value")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=str(ROOT / "build/auxo"))
    parser.add_argument("--torch", default="/usr/bin/python3")
    options = parser.parse_args()
    os.environ.setdefault("ORT_LOGGING_LEVEL", "4")
    onnxruntime.set_default_logger_severity(4)
    with tempfile.TemporaryDirectory() as folder:
        runner = Runner(os.path.abspath(options.program), folder)
        (runner.folder / "everything.json").write_text(EVERYTHING, encoding="utf-8")
        worst = max(pictures(runner, network) for network in NETWORKS + [f"{folder}/everything.json"])
        worst = max(worst, tables(runner))
        worst = max(worst, survival(runner))
        imports(runner, options.torch)
    print(f"onnx round trip: {len(NETWORKS) + 1} networks on pictures, tables, survival and PyTorch's networks agree; "
          f"worst {worst:.1e} of the largest value")
    return 0


if __name__ == "__main__":
    sys.exit(main())
