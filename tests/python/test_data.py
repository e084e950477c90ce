"""Rows from Python: arrays of every layout and type are read as the numbers they are; what is none is refused."""
import os

import numpy

import auxo
from support import TestCase, blobs, line, survival


def losses(X, y, **settings):
    run = auxo.train((X, y), model="mlp:8", epochs=2, batch=32, device="cpu", **settings).complete()
    return run.history("train_loss")


class Layouts(TestCase):
    def test_the_same_numbers_in_any_layout_and_type_train_to_the_same_losses(self):
        X, y = blobs()
        X = numpy.round(8 * X)  # exact in every type
        expected = losses(X, y)
        wide = numpy.zeros((2 * len(X), 9), numpy.float64)
        wide[::2, 2:8] = X
        layouts = {
            "float64": X.astype(numpy.float64),
            "int16": X.astype(numpy.int16),
            "float16": X.astype(numpy.float16),
            "columns first": numpy.asfortranarray(X),
            "a part of a larger array": wide[::2, 2:8],
            "the other byte order": X.astype(X.dtype.newbyteorder()),
            "backwards": X[::-1].copy()[::-1],
            "objects": X.astype(object),
            "lists": X.tolist(),
            "read only": numpy.frombuffer(X.tobytes(), X.dtype).reshape(X.shape),
        }
        for name, array in layouts.items():
            with self.subTest(name):
                self.assertEqual(losses(array, y), expected)
        for name, labels in {"int8": y.astype(numpy.int8), "steps": numpy.repeat(y, 2)[::2], "a list": list(y)}.items():
            with self.subTest(name):
                self.assertEqual(losses(X, labels), expected)

    def test_dense_float32_is_not_copied(self):
        X, y = blobs(rows=400000, columns=64)
        run = auxo.train((X, y), model="mlp:4", steps=1, batch=8, device="cpu", stream="always").begin()
        before = _resident_bytes()
        X[:] = 0  # the run reads where they lie
        for event in run:
            if event["event"] == "epoch":
                break
        self.assertLess(_resident_bytes() - before, X.nbytes / 2)
        run.close()

    def test_arrays_give_what_files_give(self):
        X, y = blobs()
        numpy.save(self.path("X.npy"), X)
        numpy.save(self.path("y.npy"), y)
        from_files = auxo.train(self.path("X.npy"), model="mlp:8", epochs=2, batch=32, device="cpu").complete()
        self.assertEqual(losses(X, y), from_files.history("train_loss"))

    def test_pictures(self):
        random = numpy.random.default_rng(1)
        y = random.integers(2, size=64)
        last = (random.integers(0, 99, size=(64, 8, 8, 3)) + 120 * y[:, None, None, None]).astype(numpy.uint8)
        run = auxo.train((last, y), model="conv:4", epochs=3, batch=16, device="cpu").complete()
        first = numpy.ascontiguousarray(last.transpose(0, 3, 1, 2))
        numpy.testing.assert_array_equal(run.model.outputs(last), run.model.outputs(first))
        self.assertEqual(next(iter(run.model.weights.values())).shape[1], 3)

    def test_a_test_split_of_its_own_is_measured(self):
        X, y = blobs()
        run = auxo.train((X, y), test=(X[:50], y[:50]), model="mlp:8", epochs=2, device="cpu").complete()
        self.assertEqual(run.events[0]["rows"], len(X))
        self.assertAlmostEqual(run.result["test_accuracy"], run.model.evaluate(X[:50], y[:50])["accuracy"])


def _resident_bytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


class Labels(TestCase):
    def test_texts_are_classes_by_their_names(self):
        X, y = blobs()
        names = numpy.array(["ant", "bee", "cow"])[y]
        run = auxo.train((X, names), model="mlp:8", epochs=8, batch=16, device="cpu").complete()
        self.assertEqual(list(run.model.classes), ["ant", "bee", "cow"])
        self.assertGreater(numpy.mean(run.model.predict(X) == names), 0.8)
        only = names[names != "ant"]
        self.assertEqual(run.model.evaluate(X[names != "ant"], only, split="all")["rows"], len(only))
        self.refuses("'dog' is none of the classes", run.model.evaluate, X[:1], ["dog"])

    def test_classes_keep_their_numbers(self):
        X, y = blobs()
        run = auxo.train((X, 10 * y - 5), model="mlp:8", epochs=8, batch=16, device="cpu").complete()
        self.assertEqual(list(run.model.classes), [-5, 5, 15])
        self.assertEqual(set(run.model.predict(X)) - {-5, 5, 15}, set())

    def test_real_targets_come_back_in_their_own_units(self):
        X, y = line()
        y = numpy.column_stack([1e9 + y, -y])
        run = auxo.train((X, y), model="mlp:16:relu", optimizer="adam:lr=0.01", epochs=60, batch=16, device="cpu").complete()
        numpy.testing.assert_allclose(run.model.predict(X), y, atol=4)
        self.assertGreater(run.model.evaluate(X, y)["targets"]["y1"]["r2"], 0.9)

    def test_groups_stay_together_and_sites_are_measured(self):
        X, y = survival()
        sites = numpy.where(numpy.arange(len(X)) % 3 == 0, "Ulm", "Kiel")
        run = auxo.survival((X, y), groups=[f"patient {i // 4}" for i in range(len(X))], sites=sites, epochs=3,
                            device="cpu").complete()
        self.assertIn("Kiel", run.report)
        self.refuses("groups have 1 axes and 3 rows", auxo.survival((X, y), groups=[1, 2, 3], device="cpu").begin)

    def test_gaps_are_filled_where_that_was_asked_for(self):
        X, y = blobs()
        X[::7, 2] = numpy.nan
        run = auxo.train((X, y), model="mlp:8", epochs=2, missing="mean", device="cpu").complete()
        self.assertTrue(numpy.isfinite(run.model.outputs(X)).all())
        self.assertIn("missing values replaced", "".join(e.get("text", "") for e in run.events))


class Frames(TestCase):
    def setUp(self):
        super().setUp()
        try:
            import pandas
        except ImportError as missing:
            self.skipTest(str(missing))
        self.pandas = pandas

    def test_columns_are_known_by_their_names(self):
        X, y = blobs()
        frame = self.pandas.DataFrame(X, columns=list("abcdef"))
        run = auxo.train((frame, y), model="mlp:8", epochs=2, device="cpu").complete()
        self.assertEqual(run.model.input_names, list("abcdef"))
        other_order = frame[list("fedcba")].assign(more=1)
        numpy.testing.assert_array_equal(run.model.outputs(frame), run.model.outputs(other_order))
        self.refuses("without names, but the model knows 6 by name", run.model.outputs, X)
        self.refuses("column 6 is 'g', but the model reads 'f' there", run.model.outputs,
                     frame.rename(columns={"f": "g"}))

    def test_columns_of_text(self):
        X, y = blobs()
        frame = self.pandas.DataFrame({"kind": numpy.array(["x", "y", "z"])[y], "size": X[:, 0]})
        run = auxo.train((frame, y), model="mlp:8", epochs=20, batch=16, target_kind="class", device="cpu").complete()
        self.assertGreater(run.model.evaluate(frame.assign(target=y), split="all")["accuracy"], 0.95)
        self.refuses("kind", run.model.outputs, frame.assign(kind="w"))


class Refused(TestCase):
    def test_what_is_no_array_of_numbers(self):
        X, y = blobs()
        gap, endless = X.copy(), X.copy()
        gap[3, 4], endless[0, 0] = numpy.nan, numpy.inf
        wrong = [
            ((gap, y), r"inputs: row 4, value 5 is missing \(nan\)"),
            ((endless, y), "row 1, value 1 is inf"),
            ((X, y[:-1]), "labels has 1 axes and 299 rows, but the inputs have 300"),
            ((X, numpy.zeros(300, int)), "one class only"),
            ((X.astype(str), y), "X: <U32 is no plain number"),
            ((X.astype(complex), y), "Complex data not supported"),
            ((X[:, :, None, None, None], y), "inputs has 5 axes"),
            ((numpy.float32(3), y), "0 axes has no rows"),
            ((X[:0], y[:0]), "no data set"),
            ((X, numpy.where(y == 1, numpy.nan, y)), "labels: row .* is missing"),
            ((numpy.array([["a", object()]], dtype=object), y), "objects, not numbers"),
            ((X, y + 0.5), "fractions", {"target_kind": "class"}),
        ]
        for data, words, *settings in wrong:
            with self.subTest(words):
                self.refuses(words, lambda: auxo.train(data, device="cpu", **(settings[0] if settings else {})).begin())
        self.refuses("is read with all that", auxo.train, "glyphs", y)

    def test_rows_of_another_shape_than_the_models(self):
        X, y = blobs()
        model = auxo.train((X, y), model="mlp:8", epochs=1, device="cpu").complete().model
        self.refuses("5 columns", model.outputs, X[:, :5])
        self.refuses("no test split", model.evaluate, X[:20], y[:20], split="test")
        self.refuses("split: 'most'", model.outputs, X, split="most")

    def test_survival_labels(self):
        X = numpy.ones((4, 2)) * numpy.arange(4)[:, None]
        y = numpy.array([(True, 1.0), (False, -2.0), (True, 3.0), (True, 2.0)], dtype=[("event", bool), ("time", float)])
        self.refuses("times: row 2 is -2, which is no time", auxo.survival((X, y), device="cpu").begin)
        self.refuses("first the event", auxo.survival, X, y[["time", "event"]])
        self.refuses("no survival times", auxo.survival((X, numpy.arange(4)), device="cpu").begin)
