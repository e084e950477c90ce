"""A run that stops half-way and goes on from its checkpoint, as if it had never stopped. Usage: stop_and_resume.py [DEVICE]
"""
import os
import sys
import tempfile

import numpy

import auxo

device = sys.argv[1] if len(sys.argv) > 1 else "auto"
random = numpy.random.default_rng(1)
X = random.normal(size=(400, 4))
y = X @ [1.0, -2.0, 3.0, 0.5] + 10

with tempfile.TemporaryDirectory() as folder:
    settings = {"model": "mlp:16", "optimizer": "adam:lr=0.01", "device": device, "resume": True,
                "checkpoint": os.path.join(folder, "run.safetensors")}
    with auxo.train((X, y), epochs=10, **settings) as first:
        for epoch in first.epochs():
            if epoch["epoch"] == 5:
                break  # Ctrl-C does the same
    second = auxo.train((X, y), epochs=10, **settings).complete()
    whole = auxo.train((X, y), epochs=10, **{**settings, "checkpoint": None, "resume": False}).complete()
    print("epochs before and after the stop:", len(first.history("epoch")), len(second.history("epoch")))
    same = first.history("train_loss") + second.history("train_loss") == whole.history("train_loss")
    print("the same losses as without a stop:", same)
    sys.exit(0 if same else 1)
