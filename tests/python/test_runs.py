"""Runs from Python: every method, events, interruption, checkpoints, devices, what is refused."""
import contextlib
import inspect
import io
import os
import signal
import subprocess
import sys
import textwrap
import threading

import numpy

import auxo
from support import TestCase, blobs, line, named_devices, survival


class Methods(TestCase):
    def test_signature_and_documentation_come_from_the_tables(self):
        parameters = inspect.signature(auxo.train).parameters
        self.assertEqual(parameters["batch"].default, 128)
        self.assertEqual(parameters["lr_schedule"].default, "constant")
        self.assertIs(parameters["standardize"].default, True)
        self.assertIn("lambda_", inspect.signature(auxo.morph).parameters)
        self.assertIn("batch : int, default 128\n    Rows per step", auxo.train.__doc__)
        self.assertEqual(inspect.signature(auxo.autosize).parameters["optimizer"].default, "adam:lr=0.0002")
        for name in ("train", "autosize", "morph", "resbuild", "adapt", "search", "sweep", "multiscale", "survival"):
            self.assertIn(name, auxo.__all__)
            self.assertGreater(len(auxo.methods[name].settings), 10)

    def test_sizing_and_searching_methods_train_on_arrays(self):
        X, y = blobs()
        small = {"device": "cpu", "batch": 32}
        runs = {
            "autosize": {"preset": "table", "dynamic_epochs": 3, "static_epochs": 3, **small},
            "adapt": {"model": "mlp:8:relu", "cycles": 3, "validation": 0.2, "optimizer": "adam:lr=0.02", **small},
            "search": {"evaluations": 2, "max_epochs": 2, "device": "cpu", "validation": 0.2},
        }
        for name, settings in runs.items():
            with self.subTest(name):
                run = auxo.methods[name]((X, y), **settings).complete()
                self.assertEqual(run.events[-1]["event"], "result")
                self.assertGreater(run.model.evaluate(X, y, split="all")["accuracy"], 0.5)
                self.assertIn("<svg", run.report)

    def test_channels_and_blocks_come_and_go_on_pictures(self):
        random = numpy.random.default_rng(1)
        y = random.integers(2, size=80)
        X = (random.integers(0, 99, size=(80, 8, 8)) + 120 * y[:, None, None]).astype(numpy.uint8)
        run = auxo.morph((X, y), model="conv:8-8", iterations=1, epochs=2, final_epochs=20, lambda_=1e-6,
                         optimizer="adam:lr=0.01", batch=16, device="cpu").complete()
        self.assertGreater(run.model.evaluate(X, y, split="all")["accuracy"], 0.6)
        run = auxo.resbuild((X, y), model="conv:4", cycles=1, insertions=1, epochs=1, batch=16, device="cpu").complete()
        self.assertGreater(run.model.evaluate(X, y, split="all")["accuracy"], 0.6)

    def test_multiscale_and_sweep(self):
        X, y = line()
        run = auxo.multiscale((X, y), model="mlp:5-5-5", iterations=4, device="cpu").complete()
        self.assertEqual(run.model.predict(X).shape, (len(X),))
        X, y = blobs()
        run = auxo.sweep((X, y), test=(X, y), seeds=1, epochs=1, device="cpu", preset="phs-table-3.2").begin()
        run.close()

    def test_folds_and_searches_of_other_methods_see_the_arrays(self):
        X, y = blobs()
        run = auxo.train((X, y), model="mlp:8", epochs=10, batch=16, folds=3, device="cpu").complete()
        self.assertGreater(run.result["mean"]["test_accuracy"], 0.7)
        self.refuses("no model", lambda: run.model)
        with open(self.path("space.json"), "w") as file:
            file.write('{"lr": {"type": "float", "low": 0.001, "high": 0.1, "log": true}}')
        run = auxo.search((X, y), run="train", space=self.path("space.json"), study=self.path("s.db"), evaluations=3,
                          method="random", validation=0.2, device="cpu").complete()
        self.assertEqual(len([event for event in run.events if event["event"] == "evaluation"]), 3)

    def test_survival_by_structured_arrays(self):
        X, y = survival()
        run = auxo.survival((X, y), model="linear", device="cpu").complete()
        scores = run.model.evaluate(X, y, split="all")
        self.assertGreater(scores["concordance"], 0.75)
        self.assertEqual(scores["rows"], len(X))
        # The same from a table of the same rows.
        table = numpy.column_stack([X, y["time"], y["event"]])
        numpy.savetxt(self.path("t.csv"), table, delimiter=",", header="x1,x2,x3,time,event", comments="", fmt="%.17g")
        again = auxo.survival(self.path("t.csv"), time="time", event="event", model="linear", device="cpu").complete()
        for name, weights in run.model.weights.items():
            numpy.testing.assert_allclose(weights, again.model.weights[name], rtol=1e-5, atol=1e-6)


class Events(TestCase):
    def test_events_are_dictionaries_while_it_works(self):
        run = auxo.train(blobs(), model="mlp:8", epochs=3, batch=32, log_every=1, device="cpu")
        kinds = [event["event"] for event in run]
        self.assertEqual(kinds.count("epoch"), 3)
        self.assertEqual(kinds.count("step"), 3 * 8)
        self.assertEqual(kinds[-1], "result")
        self.assertNotIn("step", {event["event"] for event in run.events})
        self.assertEqual(run.progress, 1)
        self.assertEqual(len(run.history("train_loss")), 3)
        self.assertEqual(list(run), [])

    def test_epochs_know_their_number(self):
        self.assertEqual(len(auxo.train(blobs(), device="cpu").epochs()), 10)
        run = auxo.autosize(blobs(), preset="table", dynamic_epochs=2, static_epochs=3, device="cpu")
        epochs = run.epochs()
        self.assertEqual(len(epochs), 5)
        self.assertEqual(len(list(epochs)), 5)

    def test_bars_of_tqdm(self):
        try:
            from tqdm import tqdm
        except ImportError as missing:
            self.skipTest(str(missing))
        written = io.StringIO()
        bar = tqdm(auxo.train(blobs(), model="mlp:8", epochs=3, device="cpu").epochs(), file=written)
        self.assertEqual((bar.total, len(list(bar))), (3, 3))
        self.assertIn("100%", written.getvalue())
        with contextlib.redirect_stderr(io.StringIO()) as written:
            auxo.train(blobs(), model="mlp:8", epochs=3, device="cpu").complete(progress=True)
        self.assertIn("100%", written.getvalue())

    def test_a_run_that_was_left_goes_on(self):
        run = auxo.train(blobs(), model="mlp:8", epochs=4, batch=32, device="cpu")
        for event in run:
            if event["event"] == "epoch":
                break
        self.assertEqual(list(run.model.classes), [0, 1, 2])
        whole = auxo.train(blobs(), model="mlp:8", epochs=4, batch=32, device="cpu").complete()
        run.complete()
        self.assertEqual(run.history("train_loss"), whole.history("train_loss"))

    def test_notebooks_show_the_report(self):
        run = auxo.train(blobs(), model="mlp:8", epochs=1, device="cpu")
        self.assertIn("new", run._repr_html_())
        self.assertIn("iframe", run.complete()._repr_html_())
        self.assertIn("auxo.train(X: 300x6 float32, model=", run.report)

    def test_runs_and_models_let_go_of_everything(self):
        before = threading.active_count()
        for _ in range(5):
            auxo.train(blobs(), model="mlp:8", epochs=1, device="cpu").complete()
            auxo.train(blobs(), model="mlp:8", epochs=1, device="cpu").begin()
        import gc
        gc.collect()
        for thread in threading.enumerate():
            if thread.name == "auxo":
                thread.join(10)
        self.assertEqual(threading.active_count(), before)


class Together(TestCase):
    def test_runs_in_several_threads_are_as_alone(self):
        alone = auxo.train(blobs(), model="mlp:8", epochs=5, batch=16, device="cpu").complete().history("train_loss")
        runs = [auxo.train(blobs(), model="mlp:8", epochs=5, batch=16, device="cpu") for _ in range(4)]
        threads = [threading.Thread(target=run.complete) for run in runs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for run in runs:
            self.assertEqual(run.history("train_loss"), alone)

    def test_a_forked_child_works_and_leaves_its_parent_alone(self):
        X, y = blobs()
        run = auxo.train((X, y), model="mlp:8", epochs=2, device="cpu").complete()
        child = os.fork()
        if child == 0:
            try:
                again = auxo.train((X, y), model="mlp:8", epochs=2, device="cpu").complete()
                os._exit(0 if again.history("train_loss") == run.history("train_loss") else 1)
            finally:
                os._exit(2)
        self.assertEqual(os.waitpid(child, 0)[1], 0)
        self.assertEqual(run.model.predict(X).shape, (300,))


class Stopping(TestCase):
    def test_ctrl_c_stops_and_saves_and_resume_goes_on_to_the_same_numbers(self):
        # Epochs enough that the interrupt comes among them on a busy machine, too.
        script = textwrap.dedent("""
            import auxo, os, signal, sys, threading
            from support import blobs
            signal.signal(signal.SIGINT, signal.default_int_handler)  # programs in the background may ignore it
            run = auxo.train(blobs(), model="mlp:8", epochs=300, batch=8, checkpoint=sys.argv[1], device="cpu")

            def press():
                while not run.history("epoch"):
                    pass
                os.kill(os.getpid(), signal.SIGINT)

            threading.Thread(target=press).start()
            try:
                run.complete()
            except KeyboardInterrupt as stop:
                print(stop, run, run.model.weight_count)
        """)
        checkpoint = self.path("run.safetensors")
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run([sys.executable, "-c", script, checkpoint], env=environment, capture_output=True, text=True,
                              timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("resume continues from", done.stdout, done.stderr)
        self.assertIn("stopped", done.stdout)
        resumed = auxo.train(blobs(), model="mlp:8", epochs=300, batch=8, checkpoint=checkpoint, resume=True,
                             device="cpu").complete()
        self.assertLess(len(resumed.history("train_loss")), 300)
        whole = auxo.train(blobs(), model="mlp:8", epochs=300, batch=8, device="cpu").complete()
        self.assertEqual(resumed.history("train_loss"), whole.history("train_loss")[-len(resumed.history("train_loss")):])
        for name, weights in whole.model.weights.items():
            numpy.testing.assert_array_equal(weights, resumed.model.weights[name])

    def test_another_setting_or_other_rows_on_resume_are_refused(self):
        options = {"model": "mlp:8", "checkpoint": self.path("run.safetensors"), "device": "cpu"}
        auxo.train(blobs(), epochs=1, **options).complete()
        self.refuses("batch", auxo.train(blobs(), epochs=2, batch=16, resume=True, **options).begin)
        self.refuses("rows|data", auxo.train(blobs(seed=2), epochs=2, resume=True, **options).begin)


class Devices(TestCase):
    def test_every_device_of_the_machine_trains_and_predicts(self):
        X, y = blobs()
        losses = {}
        for device in named_devices():
            run = auxo.train((X, y), model="mlp:8", epochs=3, batch=32, device=device).complete()
            losses[device] = run.history("train_loss")[-1]
            self.assertEqual(run.model.device, device)
            numpy.testing.assert_allclose(run.model.outputs(X), run.model.to("cpu").outputs(X), rtol=1e-3, atol=1e-4)
        for device, loss in losses.items():
            self.assertAlmostEqual(loss, losses["cpu"], delta=1e-3 * abs(losses["cpu"]), msg=device)

    def test_what_cannot_be_is_one_line(self):
        self.refuses("no backend 'cuda'", auxo.train(blobs(), device="cuda").begin, error=auxo.NotFound)
        self.refuses('did you mean "epochs"', auxo.train, blobs(), epoch=3, error=TypeError)
        self.refuses("lr: ", auxo.train, blobs(), lr="fast", error=ValueError)
        self.refuses("keep: ", auxo.train, blobs(), keep="worst")
        self.refuses("no-such", auxo.train("no-such-data", device="cpu").begin)
        self.refuses("has not begun", lambda: auxo.train(blobs()).model)
