"""Runs of the library's methods: opened, stepped, stopped and saved; their events as dictionaries.

The library's work is done in a thread of the run's own, so that the main thread stays free to take signals (Ctrl-C
stops and saves) and to show events while an epoch is still being trained.
"""
import atexit
import concurrent.futures
import html
import json
import math
import os
import queue
import threading
import weakref

from . import _arrays
from ._library import Error, Interrupted, call, owned_text, path_bytes, session, text
from ._model import Model
from ._native import ffi, lib

_END = object()  # after the events of one call


@ffi.def_extern()
def auxo_python_event(user, event):
    ffi.from_handle(user).hear(event)


class _Thread:
    """A thread that does calls one after another. What it is given is put into a queue that a finaliser may use."""

    def __init__(self):
        self._calls = queue.SimpleQueue()
        threading.Thread(target=self._serve, args=(self._calls,), name="auxo", daemon=True).start()

    @staticmethod
    def _serve(calls):
        while True:
            function, future = calls.get()
            if function is None:
                return
            try:
                result = function()
            except BaseException as error:  # told where the result is asked for
                if future:
                    future.set_exception(error)
            else:
                if future:
                    future.set_result(result)
            del function, future

    def submit(self, function):
        future = concurrent.futures.Future()
        self._calls.put((function, future))
        return future

    def end_with(self, function):
        """Does one more call, without waiting for it, and ends."""
        self._calls.put((function, None))
        self._calls.put((None, None))


_runs = weakref.WeakSet()


@atexit.register
def _close_all():
    """Drivers must not be left in the middle of a step when the process ends."""
    for run in list(_runs):
        run.close()


class _Work:
    """The library's side of a run; used in one thread. What is heard goes into a queue."""

    def __init__(self, method, settings, keep, command):
        self.method, self.settings, self.keep = method, settings, keep
        self.pointer = ffi.NULL
        self.heard = queue.SimpleQueue()
        self.stop = ffi.new("volatile int *", 0)
        self.command = ffi.new("char[]", command.encode())
        self.handle = ffi.new_handle(self)  # a circle, until close
        self.epochs = 0
        self.result = self.report = self.model = None

    def hear(self, event):
        share = lib.auxo_run_progress(self.pointer) if self.pointer else 0.0
        found = ffi.new("char **")
        if not event.type.flags & lib.AUXO_EVENT_LINE_ONLY and \
                lib.auxo_event_json(event, found, ffi.NULL) == lib.AUXO_OK:
            transient = bool(event.type.flags & lib.AUXO_EVENT_TRANSIENT)
            self.heard.put((json.loads(owned_text(found)), share, transient))

    def open(self):
        options, made = ffi.new("auxo_run_options *"), ffi.new("auxo_run **")
        lib.auxo_run_options_init(options)
        options.runtime = session().runtime
        options.listener, options.listener_user = lib.auxo_python_event, self.handle
        options.stop, options.command = self.stop, self.command
        call(lib.auxo_run_open, self.method, self.settings.pointer, options, made)
        self.pointer = made[0]
        self.epochs = lib.auxo_run_epochs(self.pointer)

    def step(self):
        done = ffi.new("bool *")
        call(lib.auxo_run_step, self.pointer, done)
        return bool(done[0])

    def save(self):
        call(lib.auxo_run_save, self.pointer)

    def finish(self):
        call(lib.auxo_run_finish, self.pointer)
        self.collect()

    def collect(self):
        """Takes out what is to outlive the run, and closes it."""
        result = text(lib.auxo_run_result(self.pointer))
        self.result = json.loads(result) if result else None
        found = ffi.new("char **")
        if result and lib.auxo_run_report(self.pointer, found, ffi.NULL) == lib.AUXO_OK:
            self.report = owned_text(found)
        self.model = self.copy_model()
        self.close()

    def copy_model(self):
        """The model as it is between two steps; None: the run has none."""
        if not self.pointer or not lib.auxo_run_model(self.pointer):
            return None
        file = _arrays.TemporaryFile(suffix=".safetensors")
        call(lib.auxo_run_save_model, self.pointer, path_bytes(file.path))
        return Model.load(file.path, text(lib.auxo_device_get_info(lib.auxo_run_device(self.pointer)).selector))

    def close(self):
        pointer, self.pointer = self.pointer, ffi.NULL
        lib.auxo_run_close(pointer)
        self.keep = self.handle = None


class Run:
    """A run of a method of the library, made by auxo.train and its like; nothing is done before it is iterated.

    Iterating it gives its events as dictionaries ({"event": "epoch", "epoch": 1, "train_loss": ...}) until the result;
    complete() does the same without showing them. Ctrl-C ends the step under way, saves what `checkpoint` and `save`
    ask for and raises KeyboardInterrupt; the run's model then is what was found so far.
    """

    def __init__(self, method, settings, keep, command):
        self.name = text(lib.auxo_method_describe(method).name)
        self.events = []  # all so far, but for those that only show progress
        self.progress = 0.0  # share of the work that is done; NaN: unknown
        self._work = _Work(method, settings, keep, command)
        self._state = "new"
        self._thread = _Thread()
        self._call = None  # the library's work under way: a future
        self._owner = os.getpid()
        _runs.add(self)

    # ---- one call of the library's ----

    def _begin_call(self, function):
        heard = self._work.heard

        def work():
            try:
                return function()
            finally:
                heard.put(_END)

        self._call = self._thread.submit(work)

    def _hear(self):
        """The next event of the call under way; None: it is over."""
        heard = self._work.heard.get()
        if heard is _END:
            return None
        event, self.progress, transient = heard
        if not transient:
            self.events.append(event)
        return event

    def _hear_all(self):
        """Events of the call under way, as they come."""
        while self._call:
            try:
                event = self._hear()
            except KeyboardInterrupt:
                self._interrupt()
            if event is None:
                return
            yield event

    def _end_call(self):
        finished, self._call = self._call, None
        try:
            return finished.result()
        except Interrupted as stop:
            self._in_thread(self._work.collect)
            self._state = "stopped"
            raise KeyboardInterrupt(str(stop)) from None
        except BaseException:
            self._in_thread(self._work.close)
            self._state = "failed"
            raise

    def _wait(self):
        """Hears the call under way to its end."""
        while self._hear() is not None:
            pass

    def _in_thread(self, function):
        return self._thread.submit(function).result()

    def _interrupt(self):
        """Stops the step under way, saves, and raises KeyboardInterrupt."""
        self._work.stop[0] = 1
        done = False
        if self._call:
            self._wait()
            done = self._end_call()
        if not done and self._state == "open":  # it was over already: the next one only saves
            self._begin_call(self._work.step)
            self._wait()
            self._end_call()
        raise KeyboardInterrupt

    # ---- all of it ----

    def begin(self):
        """Opens device, data and models. Done by iterating; by itself it tells early what a setting is wrong about."""
        for _ in self._begin():
            pass
        return self

    def _begin(self):
        if self._state == "new":
            self._begin_call(self._work.open)
            yield from self._hear_all()
            self._end_call()
            self._state = "open"

    def __iter__(self):
        """Does the work, and gives its events. What ends the iteration early leaves the run open, and its checkpoint
        saved: iterating again goes on."""
        yield from self._begin()
        done = False
        while self._state == "open" and not done:
            self._begin_call(self._work.step)
            try:
                yield from self._hear_all()
            except GeneratorExit:
                self._leave()
                raise
            done = self._end_call()
        if self._state == "open":
            self._begin_call(self._work.finish)
            yield from self._hear_all()
            self._end_call()
            self._state, self.progress = "done", 1.0

    def _leave(self):
        if not self._call:
            return
        try:
            self._wait()
        except KeyboardInterrupt:
            self._interrupt()
        self._end_call()
        self._in_thread(self._work.save)

    def complete(self, progress=False):
        """Does all the work and returns the run. progress: show a bar of tqdm's."""
        try:
            return self._complete(progress)
        except KeyboardInterrupt:
            if self._state == "open":  # it came between two events
                self._interrupt()
            raise

    def _complete(self, progress):
        if not progress:
            for _ in self:
                pass
            return self
        from tqdm.auto import tqdm
        with tqdm(total=100, desc=self.name, bar_format="{desc}: {percentage:3.0f}%|{bar}|{postfix}") as bar:
            for event in self:
                if math.isfinite(self.progress):
                    bar.update(100 * self.progress - bar.n)
                if "train_loss" in event:
                    bar.set_postfix(loss=event["train_loss"])
            bar.update(100 - bar.n)
        return self

    def epochs(self):
        """An iterable over the "epoch" events alone, with a length where the method knows how many there will be."""
        return Epochs(self)

    @property
    def result(self):
        """The numbers of the "result" event; None before the end."""
        return self._work.result

    @property
    def model(self):
        """The trained model; while the run is under way, a copy of it as it is after the current step."""
        if self._state == "new":
            raise Error(f"{self.name}: the run has not begun; iterate it, or call complete()")
        found = self._in_thread(self._work.copy_model) if self._state == "open" else self._work.model
        if found is None:
            raise Error(f"{self.name}: the run has no model to give")
        return found

    @property
    def report(self):
        """Its HTML report, one page; None before the end."""
        return self._work.report

    def history(self, field, event="epoch"):
        """All values so far of one field of an event, as a list."""
        return [one.get(field) for one in self.events if one["event"] == event]

    def close(self):
        """Lets device, data and the lock of the checkpoint go. Done by itself at the end of the work."""
        if self._state in ("new", "open"):
            self._work.stop[0] = 1
            if self._call:
                self._wait()
                self._call = None
            self._in_thread(self._work.close)
            self._state = "closed"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __del__(self):
        # Perhaps in the thread of the run itself: it must not wait for it.
        if getattr(self, "_owner", None) == os.getpid():
            self._work.stop[0] = 1
            self._thread.end_with(self._work.close)

    def __repr__(self):
        share = f", {100 * self.progress:.0f} %" if self._state == "open" and math.isfinite(self.progress) else ""
        return f"<auxo.Run {self.name}: {self._state}{share}>"

    def _repr_html_(self):
        if not self.report:
            return f"<p><code>{html.escape(repr(self))}</code></p>"
        return (f'<iframe srcdoc="{html.escape(self.report)}" style="width:100%;height:40em;border:0" '
                f'title="{html.escape(self.name)}"></iframe>')


class Epochs:
    """The epochs of a run: iterable, for tqdm and its like."""

    def __init__(self, run):
        self._run = run

    def __len__(self):
        self._run.begin()
        if not self._run._work.epochs:
            raise TypeError(f"{self._run.name}: how many epochs there will be is not known")
        return self._run._work.epochs

    def __iter__(self):
        return (event for event in self._run if event["event"] == "epoch")
