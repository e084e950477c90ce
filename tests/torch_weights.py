#!/usr/bin/env python3
"""State dicts of PyTorch into Auxo: the networks of torchvision under their names there, with random weights.

    tests/torch_weights.py [LIBRARY]

Takes torchvision's resnet18, resnet34 and vgg16, or without torchvision builds the same blocks under its names, gives
every parameter and running statistic a random value, writes the state dict as safetensors (num_batches_tracked and
a tensor in f64 among it), imports it and compares the outputs with PyTorch's: 1e-5 of the largest. Needs torch and numpy;
exits with 77 where they are missing.
"""
import ctypes
import json
import pathlib
import struct
import sys
import tempfile

try:
    import numpy
    import torch
    from torch import nn
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)
try:
    from torchvision import models as torchvision_models
except ImportError:
    torchvision_models = None

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/campaigns"))
from auxo_library import Desc, Forward, Library, PlanOptions, make_op, params  # noqa: E402


class Block(nn.Module):
    def __init__(self, inputs, filters, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, filters, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(filters)
        self.conv2 = nn.Conv2d(filters, filters, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(filters)
        self.downsample = None
        if stride != 1 or inputs != filters:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, filters, 1, stride, bias=False), nn.BatchNorm2d(filters))

    def forward(self, x):
        shortcut = self.downsample(x) if self.downsample else x
        return torch.relu(self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x))))) + shortcut)


class ResNet(nn.Module):
    def __init__(self, blocks, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        inputs = 64
        for stage, count in enumerate(blocks):
            filters = 64 << stage
            layers = []
            for block in range(count):
                layers.append(Block(inputs, filters, 2 if stage and not block else 1))
                inputs = filters
            setattr(self, f"layer{stage + 1}", nn.Sequential(*layers))
        self.fc = nn.Linear(512, classes)

    def forward(self, x):
        x = self.maxpool(torch.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean((2, 3)))


def randomize(net, seed):
    generator = torch.Generator().manual_seed(seed)
    for name, value in net.state_dict().items():
        if value.dtype != torch.float32:
            value.fill_(7)
        elif name.endswith("running_var") or (value.dim() == 1 and name.endswith("weight")):
            value.copy_(0.5 + torch.rand(value.shape, generator=generator))
        elif value.dim() == 1:
            value.copy_(0.1 * torch.randn(value.shape, generator=generator))
        else:
            fan = value[0].numel()
            value.copy_(torch.randn(value.shape, generator=generator) * (2.0 / fan) ** 0.5)
    return net.eval()


def write_safetensors(path, state, wide=()):
    header, data = {}, b""
    for name in sorted(state):
        value = state[name].numpy()
        if name in wide:
            value = value.astype(numpy.float64)
        kind = {"float32": "F32", "float64": "F64", "int64": "I64"}[str(value.dtype)]
        header[name] = {"dtype": kind, "shape": list(value.shape), "data_offsets": [len(data), len(data) + value.nbytes]}
        data += value.tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


class ImportOptions(ctypes.Structure):
    _fields_ = [("rules", ctypes.c_char_p), ("reset", ctypes.c_void_p), ("reset_count", ctypes.c_size_t)]


class ImportResult(ctypes.Structure):
    _fields_ = [("matched", ctypes.c_size_t), ("ignored", ctypes.c_size_t), ("rules", ctypes.c_char * 48)]


def outputs(library, name, weights, images, classes):
    """What the model of that name puts out with the weights of the file, and what the import said."""
    lib, call = library.lib, library.call
    desc, model, plan, result = Desc(), ctypes.c_void_p(), ctypes.c_void_p(), ImportResult()
    rows, channels, height, width = images.shape
    call("auxo_model_desc_load", name.encode(), ctypes.c_int64(channels), ctypes.c_int64(height),
         ctypes.c_int64(width), ctypes.c_uint32(classes), ctypes.byref(desc))
    call("auxo_model_create", library.device, ctypes.byref(desc), ctypes.c_uint64(1), ctypes.byref(model))
    call("auxo_model_import", model, str(weights).encode(), ctypes.byref(ImportOptions()), ctypes.byref(result))
    call("auxo_plan_create", library.device, ctypes.byref(plan))
    forward = Forward(input=library.tensor(images))
    activations = ctypes.c_void_p(lib.auxo_model_add_forward(model, plan, ctypes.byref(forward)))
    output = lib.auxo_activations_output(activations, desc.layer_count - 1)
    kept = library.tensor(numpy.zeros((rows, classes)))
    copy = make_op("copy", {0: output, 1: kept}, params(scale=1.0))
    lib.auxo_plan_add(plan, ctypes.byref(copy), b"outputs")
    lib.auxo_activations_destroy(activations)
    call("auxo_plan_compile", plan, ctypes.byref(PlanOptions()))
    queue = ctypes.c_void_p(lib.auxo_model_queue(model))
    call("auxo_plan_run", plan, queue, ctypes.c_uint32(1))
    call("auxo_queue_wait", queue)
    found = library.read(kept)
    lib.auxo_plan_destroy(plan)
    lib.auxo_model_destroy(model)
    lib.auxo_model_desc_deinit(ctypes.byref(desc))
    return found, result


def vgg16(classes, size):
    layers, inputs = [], 3
    for filters in (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0):
        layers += [nn.MaxPool2d(2)] if not filters else [nn.Conv2d(inputs, filters, 3, 1, 1), nn.ReLU()]
        inputs = filters or inputs
    net = nn.Module()
    net.features = nn.Sequential(*layers)
    flat = 512 * (size // 32) ** 2
    net.classifier = nn.Sequential(nn.Linear(flat, 4096), nn.ReLU(), nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU(),
                                   nn.Dropout(), nn.Linear(4096, classes))
    net.forward = lambda x: net.classifier(net.features(x).flatten(1))
    return net


def main():
    library = Library(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build/libauxo.so", "cpu")
    if torchvision_models:
        nets = [torchvision_models.resnet18(num_classes=7), torchvision_models.resnet34(num_classes=7),
                torchvision_models.vgg16(num_classes=7)]
    else:
        nets = [ResNet((2, 2, 2, 2), 7), ResNet((3, 4, 6, 3), 7), vgg16(7, 32)]
    cases = [("resnet18-imagenet", nets[0], 64, ["fc.weight"]), ("resnet34-imagenet", nets[1], 64, []),
             ("vgg16", nets[2], 224 if torchvision_models else 32, ["features.0.bias"])]
    print(f"PyTorch {torch.__version__}, networks {'of torchvision' if torchvision_models else 'built here'}")
    worst_of_all = 0
    for seed, (name, net, size, wide) in enumerate(cases):
        randomize(net, seed)
        images = torch.rand(3, 3, size, size, generator=torch.Generator().manual_seed(seed))
        with tempfile.TemporaryDirectory() as folder, torch.no_grad():
            path = pathlib.Path(folder) / "state.safetensors"
            write_safetensors(path, net.state_dict(), wide)
            expected = net(images).numpy()
            found, result = outputs(library, name, path, images.numpy(), 7)
        worst = float(numpy.abs(found - expected).max() / numpy.abs(expected).max())
        worst_of_all = max(worst_of_all, worst)
        print(f"{name}: {result.matched} tensors by {result.rules.decode()}, {result.ignored} passed over, "
              f"largest difference {worst:.2e} of the largest output")
    if worst_of_all > 1e-5:
        sys.exit("above 1e-5")


if __name__ == "__main__":
    main()
