#!/usr/bin/env python3
"""tests/support/sid_losses.py SYSTEM: what tests/sid.sh has trained in that system.

Every product and convolution of lenet5 and resnet18 is by cooperative matrices, nothing runs on the host, and each of the
100 losses of lenet5 in f16 is within 2e-2 of the cpu's in f32, relative.
"""
import json
import pathlib
import sys

PRODUCTS = ("gemm", "conv2d_forward", "conv2d_backward_data", "conv2d_backward_weights")


def events(name):
    text = (pathlib.Path(sys.argv[1]) / f"{name}.json").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def losses(name):
    return [event["loss"] for event in events(name) if event["event"] == "step"]


def main():
    faults = []
    for name in ("lenet5", "resnet18"):
        choices = [event for event in events(name) if event["event"] == "choice"]
        products = [event for event in choices if event["op"] in PRODUCTS]
        others = [event for event in products if event["variant"] != "cooperative"]
        print(f"{name}: {len(products)} products and convolutions, {len(products) - len(others)} by cooperative matrices; "
              f"losses {losses(name)[0]:.5f} to {losses(name)[-1]:.5f} in {len(losses(name))} steps")
        if not products:
            faults.append(f"{name}: no choice of a kernel is told")
        faults += [f'{name}: {event["label"]} ({event["op"]}): {event["variant"]}: {event["reason"]}' for event in others]
        faults += [f'{name}: {event["label"]} runs on the host' for event in choices if event["route"] != "native"]
    cpu, f16 = losses("cpu"), losses("lenet5")
    if len(cpu) != 100 or len(f16) != 100:
        faults.append(f"lenet5: {len(cpu)} and {len(f16)} steps, not 100")
    worst = max(abs(a - b) / abs(a) for a, b in zip(cpu, f16))
    print(f"lenet5: losses in f16 part from the cpu's in f32 by {worst:.2g} at most, relative")
    if worst >= 2e-2:
        faults.append("lenet5: losses part by 2e-2 or more")
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
