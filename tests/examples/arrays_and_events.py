"""Arrays of NumPy's into a network that finds its own size, watched while it trains; then saved, loaded, measured.

Usage: arrays_and_events.py [DEVICE]
"""
import os
import sys
import tempfile

import numpy

import auxo

device = sys.argv[1] if len(sys.argv) > 1 else "auto"
random = numpy.random.default_rng(1)
X = random.normal(size=(600, 8)).astype(numpy.float32)
y = numpy.where(X[:, 0] * X[:, 1] > 0, "same", "different")  # no line parts these classes

run = auxo.autosize((X, y), preset="table", validation=0.2, device=device)
for event in run:
    if event["event"] == "epoch":
        print(f"epoch {event['epoch']}: loss {event['train_loss']:.4f}, layers {event.get('sizes')}")
print("of rows that were held out, right:", run.result["test_accuracy"])

with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "model.safetensors")
    run.model.save(path)
    model = auxo.Model.load(path, device)
    print(model, model.evaluate(X, y)["confusion"].tolist())
    print(model.predict(X[:3]), model.probabilities(X[:3]).round(3).tolist())
