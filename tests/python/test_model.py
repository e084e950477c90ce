"""Models from Python: made, saved, loaded, pickled, asked and measured; the same as the program's."""
import json
import os
import pickle
import subprocess

import numpy

import auxo
from support import TestCase, blobs, line


class Models(TestCase):
    @classmethod
    def setUpClass(cls):
        cls.X, cls.y = blobs()
        cls.model = auxo.train((cls.X, cls.y), model="mlp:8", epochs=5, batch=16, device="cpu").complete().model

    def test_outputs_are_the_network_s(self):
        weights = self.model.weights
        self.assertEqual(list(weights), ["dense1.weight", "dense1.bias", "dense2.weight", "dense2.bias"])
        model = auxo.Model("mlp:6-8-3", inputs=6, outputs=3, device="cpu", seed=3)
        drawn = model.weights
        hidden = numpy.tanh(self.X @ drawn["dense1.weight"].T + drawn["dense1.bias"])
        expected = hidden @ drawn["dense2.weight"].T + drawn["dense2.bias"]
        numpy.testing.assert_allclose(model.outputs(self.X), expected, rtol=1e-4, atol=1e-5)
        self.assertEqual(model.weight_count, 6 * 8 + 8 + 8 * 3 + 3)
        self.assertIsNone(model.classes)
        self.assertEqual(auxo.Model("lenet5", inputs=(1, 28, 28), outputs=10, device="cpu").weight_count, 44426)

    def test_saved_loaded_pickled_and_moved_it_is_the_same(self):
        path = self.path("model.safetensors")
        self.model.save(path)
        expected = self.model.outputs(self.X)
        for name, copy in {"loaded": auxo.Model.load(path, "cpu"), "pickled": pickle.loads(pickle.dumps(self.model)),
                           "moved": self.model.to("cpu")}.items():
            with self.subTest(name):
                numpy.testing.assert_array_equal(copy.outputs(self.X), expected)
                numpy.testing.assert_array_equal(copy.classes, self.model.classes)
        self.refuses("nothere", auxo.Model.load, self.path("nothere"))
        with open(path, "r+b") as file:
            file.truncate(100)
        self.refuses("model.safetensors", auxo.Model.load, path)

    def test_onnx_out_and_in(self):
        model = auxo.Model("lenet5", inputs=(1, 28, 28), outputs=10, device="cpu")
        try:
            model.to_onnx(self.path("net.onnx"))
        except auxo.Unsupported as missing:
            self.skipTest(str(missing))
        X = numpy.random.default_rng(1).normal(size=(5, 28, 28)).astype(numpy.float32)
        numpy.testing.assert_allclose(auxo.Model.from_onnx(self.path("net.onnx"), "cpu").outputs(X), model.outputs(X),
                                      rtol=1e-5, atol=1e-6)
        self.model.to_onnx(self.path("model.onnx"))
        self.refuses("net.safetensors|nothere", auxo.Model.from_onnx, self.path("nothere"))

    def test_evaluation_counts_as_numpy_does(self):
        scores = self.model.evaluate(self.X, self.y, split="all")
        predicted = self.model.predict(self.X)
        self.assertAlmostEqual(scores["accuracy"], numpy.mean(predicted == self.y))
        confusion = numpy.zeros((3, 3), int)
        numpy.add.at(confusion, (self.y, predicted), 1)
        numpy.testing.assert_array_equal(scores["confusion"], confusion)
        probabilities = self.model.probabilities(self.X)
        numpy.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
        self.assertAlmostEqual(scores["loss"], -numpy.mean(numpy.log(probabilities[range(300), self.y])), places=5)
        held_out = self.model.evaluate(self.X, self.y)
        self.assertEqual(held_out["rows"], 60)

    def test_errors_of_numbers(self):
        X, y = line()
        model = auxo.train((X, y), model="mlp:8", epochs=5, device="cpu").complete().model
        scores, predicted = model.evaluate(X, y, split="all"), model.predict(X)
        self.assertAlmostEqual(scores["mse"], numpy.mean((predicted - y) ** 2), places=4)
        self.assertAlmostEqual(scores["r2"], 1 - numpy.var(y - predicted) / numpy.var(y), places=1)

    def test_a_model_goes_on_being_trained(self):
        run = auxo.train((self.X, self.y), model=self.model, epochs=1, batch=16, device="cpu").complete()
        first = auxo.train((self.X, self.y), model="mlp:8", epochs=1, batch=16, device="cpu").complete()
        self.assertLess(run.history("train_loss")[0], first.history("train_loss")[0])

    def test_wrong_arguments(self):
        self.refuses("lenet6", auxo.Model, "lenet6", inputs=(1, 28, 28), outputs=10)
        self.refuses("inputs: ", auxo.Model, "lenet5", inputs=(28, 28), outputs=10)
        self.refuses("split", self.model.evaluate, self.X, self.y, split="none")
        self.refuses("unknown setting", self.model.outputs, self.X, sheet=1, error=TypeError)

    def test_the_program_says_the_same(self):
        program = os.environ.get("AUXO_PROGRAM")
        if not program:
            self.skipTest("AUXO_PROGRAM is not set")
        numpy.save(self.path("X.npy"), self.X)
        numpy.save(self.path("y.npy"), self.y)
        self.model.save(self.path("model.safetensors"))
        done = subprocess.run([program, "eval", self.path("model.safetensors"), "--data", self.path("X.npy"), "--json",
                               "--device", "cpu"], capture_output=True, text=True, check=True, timeout=60)
        result = json.loads(done.stdout.splitlines()[-1])
        ours = self.model.evaluate(self.X, self.y)
        for name in ("accuracy", "loss", "macro_f1"):
            self.assertAlmostEqual(result[name], ours[name], places=6, msg=name)

    def test_the_program_writes_arrays(self):
        program = os.environ.get("AUXO_PROGRAM")
        if not program:
            self.skipTest("AUXO_PROGRAM is not set")
        numpy.save(self.path("X.npy"), self.X)
        self.model.save(self.path("model.safetensors"))
        for out in ("p.npz", "p.npy"):
            subprocess.run([program, "predict", self.path("model.safetensors"), "--data", self.path("X.npy"), "--device",
                            "cpu", "--out", self.path(out)], capture_output=True, text=True, check=True, timeout=60)
        found = numpy.load(self.path("p.npz"))
        probabilities = self.model.probabilities(self.X)
        self.assertEqual(sorted(found), ["class", "probabilities", "probability", "row"])
        numpy.testing.assert_array_equal(found["row"], numpy.arange(1, 301))
        numpy.testing.assert_array_equal(found["class"], self.model.predict(self.X))
        numpy.testing.assert_allclose(found["probabilities"], probabilities, rtol=1e-5)
        numpy.testing.assert_allclose(found["probability"], probabilities.max(axis=1), rtol=1e-5)
        numpy.testing.assert_array_equal(numpy.load(self.path("p.npy")), found["probabilities"])
        X, y = line()
        model = auxo.train((X, y + 1e9), model="mlp:8", epochs=5, device="cpu").complete().model
        model.save(self.path("line.safetensors"))
        numpy.save(self.path("lines.npy"), X)
        subprocess.run([program, "predict", self.path("line.safetensors"), "--data", self.path("lines.npy"), "--device",
                        "cpu", "--out", self.path("v.npz")], capture_output=True, text=True, check=True, timeout=60)
        numpy.testing.assert_allclose(numpy.load(self.path("v.npz"))["values"][:, 0], model.predict(X), rtol=1e-12)
