"""A function for every method of the library, with its settings as keyword arguments."""
import inspect
import os

from . import _arrays
from ._library import InvalidArgument, call, text
from ._model import Model
from ._native import ffi, lib
from ._run import Run
from ._settings import Settings, documentation, read_tables, signature

_DATA = """data : str, path, array, DataFrame or (X, y)
    Rows: a named set, a file or folder; or arrays in memory, of (rows, columns), (rows, height, width) or
    (rows, height, width, channels). Columns of a DataFrame are known by their names.
y : array
    Labels: integers, booleans or texts are classes, floats real targets; of survival a structured array of the event
    (bool) and the time.
test : (X, y) or X
    Rows to test on at the end; without them a fifth is held out.
groups, sites : array
    Beside arrays: rows of one group, for example a patient, stay together in any split; sites say where rows are from.
model : as below, or an auxo.Model to go on from
"""


def _positional(name, default=None):
    return inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default)


class Method:
    """A method of the library, and how a Run of it is made."""

    def __init__(self, pointer, name):
        info = lib.auxo_method_describe(pointer)
        self.method = text(info.name)
        self.settings = read_tables(info.settings, info.defaults)
        self._pointer = pointer
        self.name = name
        leading = [_positional("data", self.settings["data"].default)] if "data" in self.settings else []
        leading += [_positional("y"), *(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None)
                                       for name in ("test", "groups", "sites"))]
        self.signature = signature(self.settings, leading)
        self.documentation = (f"{text(info.summary)}\n\n{text(info.description)}\n\nReturns an auxo.Run.\n\n"
                        + documentation(self.settings, skip=("data",)).replace("----------\n", "----------\n" + _DATA, 1))

    def function(self):
        """What users call, with its signature and documentation."""

        def method(data=None, y=None, *, test=None, groups=None, sites=None, **settings):
            beside = {name: value for name, value in (("groups", groups), ("sites", sites)) if value is not None}
            return self.run(data, y, test, settings, beside)

        method.__name__ = method.__qualname__ = self.name
        method.__module__ = "auxo"
        method.__signature__, method.__doc__ = self.signature, self.documentation
        method.settings = self.settings
        return method

    def run(self, data, y, test, settings, beside=()):
        values = Settings.of_method(self._pointer)
        keep = [values]
        settings = self._lend_model(settings, keep)
        shown = [self._give(values, data, y, test, dict(beside), keep)] if data is not None else []
        values.set(self.settings, settings)
        shown += [f"{name}={value!r:.80}" for name, value in settings.items() if value is not None]
        return Run(self._pointer, values, keep, f"auxo.{self.name}({', '.join(shown)})")

    def _lend_model(self, settings, keep):
        """A Model becomes a file that the library reads."""
        if not isinstance(settings.get("model"), Model):
            return settings
        file = _arrays.TemporaryFile(suffix=".safetensors")
        settings["model"].save(file.path)
        keep.append(file)
        return {**settings, "model": file.path}

    def _give(self, values, data, y, test, beside, keep):
        """Tells the settings where rows are; returns how the command names them."""
        if isinstance(data, tuple) and len(data) == 2 and y is None:
            data, y = data
        if isinstance(data, (str, os.PathLike)):
            if y is not None or test is not None or beside:
                raise InvalidArgument(f"y, test, groups, sites: {data} is read with all that; they go with arrays")
            values.set(self.settings, {"data": data})
            return repr(os.fspath(data))
        if _arrays.is_frame(data) and (y is None or not _arrays.is_numeric_frame(data)):
            if test is not None or beside:
                raise InvalidArgument("test, groups, sites: frames with text, or without y, come whole; these go with "
                                      "arrays")
            keep.append(_arrays.frame_file(data, y))
            values.set(self.settings, {"data": keep[-1].path})
            return f"a frame of {len(data)} rows"
        rows = _arrays.Rows(data, y, **beside)
        keep.append(rows)
        tested = self._test_rows(rows, data, test, keep)
        call(lib.auxo_settings_set_arrays, values.pointer, rows.pointer, tested)
        return f"X: {rows}"

    def _test_rows(self, rows, data, test, keep):
        if test is None:
            return ffi.NULL
        X, y = test if isinstance(test, tuple) else (test, None)
        classes = None
        if rows.pointer.class_names:
            classes = _arrays.read_names(rows.pointer.class_names, rows.pointer.class_count)
        if _arrays.is_frame(data) and _arrays.is_frame(X):
            X = X[list(data.columns)]
        keep.append(_arrays.Rows(X, y, classes=classes, columns=list(data.columns) if _arrays.is_frame(data) else None))
        return keep[-1].pointer


def make_methods():
    """Every method under its name here: "multiscale train" is multiscale, "multiscale compare" multiscale_compare."""
    count = ffi.new("size_t *")
    pointers = lib.auxo_methods(count)
    found = {}
    for i in range(count[0]):
        name = text(lib.auxo_method_describe(pointers[i]).name)
        short = name[:-len(" train")] if name.endswith(" train") else name
        short = short.replace(" ", "_").replace("-", "_")
        found[short] = Method(pointers[i], short)
    return found
