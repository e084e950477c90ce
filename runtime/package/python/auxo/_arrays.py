"""Arrays of NumPy's, and frames of columns, as the library's arrays: borrowed where they lie, copied only where it must."""
import os
import tempfile

import numpy

from ._library import InvalidArgument, text
from ._native import ffi, lib

_KINDS = {"b": "BOOL", "u": "U", "i": "I", "f": "F"}


def _element(dtype):
    """The library's type of an element; None: it has none."""
    kind = _KINDS.get(dtype.kind)
    if kind is None or (dtype.kind == "f" and dtype.itemsize > 8):
        return None
    return getattr(lib, "AUXO_ELEMENT_" + (kind if kind == "BOOL" else kind + str(8 * dtype.itemsize)), None)


def numbers(values, what):
    """`values` as an array whose memory the library can read; no copy where that is so already."""
    if hasattr(values, "toarray") and not isinstance(values, numpy.ndarray):
        raise TypeError(f"{what}: sparse matrices are not read; give X.toarray()")
    array = numpy.asarray(values)
    if array.dtype == object:
        try:
            array = array.astype(numpy.float64)
        except (TypeError, ValueError):
            raise InvalidArgument(f"{what}: these are objects, not numbers (dtype object): argument must be a string "
                                  "or a number") from None
    if array.dtype.kind == "c":
        raise InvalidArgument(f"{what}: Complex data not supported: {array.dtype} has no order")
    if _element(array.dtype.newbyteorder("=")) is None:
        raise InvalidArgument(f"{what}: {array.dtype} is no plain number; use .astype(numpy.float32)")
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if any(stride < 0 for stride in array.strides) or (array.strides and not any(array.strides)):
        array = numpy.ascontiguousarray(array)
    if array.ndim == 0 or array.ndim > lib.AUXO_ARRAY_RANK_MAX:
        raise InvalidArgument(f"{what}: an array of {array.ndim} axes has no rows to learn from")
    return array


def _fill(target, array, keep):
    target.values = ffi.cast("const void *", array.ctypes.data)
    target.element = _element(array.dtype)
    target.rank = array.ndim
    for axis in range(array.ndim):
        target.dims[axis] = array.shape[axis]
        target.strides[axis] = array.strides[axis]
    keep.append(array)


def _names(values, keep):
    names = [ffi.new("char[]", str(value).encode()) for value in values]
    keep += names
    pointer = ffi.new("const char *[]", names + [ffi.NULL])
    keep.append(pointer)
    return pointer


def is_frame(data):
    """Whether it has named columns, as a DataFrame of pandas."""
    return hasattr(data, "columns") and hasattr(data, "to_numpy") and hasattr(data, "dtypes")


def is_numeric_frame(frame):
    return all(getattr(dtype, "kind", "O") in "biuf" for dtype in frame.dtypes)


def split_survival(y):
    """(events, times) of a structured array with one boolean field and one of numbers; None: it is no such array."""
    names = getattr(getattr(y, "dtype", None), "names", None)
    if not names:
        return None
    if len(names) != 2 or y.dtype[names[0]].kind != "b" or y.dtype[names[1]].kind not in "iuf":
        raise InvalidArgument("y: a structured array of survival has two fields, first the event (bool), then the "
                              "time (float)")
    return y[names[0]], y[names[1]]


class Rows:
    """`auxo_arrays` of X and y, with all that they borrow. classes: names that labels are numbers of."""

    def __init__(self, X, y=None, name=None, classes=None, columns=None, groups=None, sites=None):
        self.keep = []
        self.pointer = ffi.new("auxo_arrays *")
        self.pointer.name = ffi.NULL if name is None else self._text(name)
        if is_frame(X):
            columns = list(X.columns)
            X = X.to_numpy()
        inputs = numbers(X, "X")
        if columns is not None and inputs.ndim == 2:
            if len(columns) != inputs.shape[1]:
                raise InvalidArgument(f"X has {inputs.shape[1]} columns, but there are {len(columns)} names for them")
            self.pointer.input_names = _names(columns, self.keep)
        _fill(self.pointer.inputs, inputs, self.keep)
        self.shape, self.dtype = inputs.shape, inputs.dtype
        if y is not None:
            self._take_labels(y, classes)
        if groups is not None:
            _fill(self.pointer.groups, numbers(numpy.unique(numpy.asarray(groups), return_inverse=True)[1], "groups"),
                  self.keep)
        if sites is not None:
            names, places = numpy.unique(numpy.asarray(sites), return_inverse=True)
            self.pointer.site_names, self.pointer.site_count = _names(names, self.keep), len(names)
            _fill(self.pointer.sites, numbers(places, "sites"), self.keep)

    def _text(self, value):
        self.keep.append(ffi.new("char[]", value.encode()))
        return self.keep[-1]

    def _take_labels(self, y, classes):
        survival = split_survival(y)
        if survival:
            _fill(self.pointer.events, numbers(survival[0], "y"), self.keep)
            _fill(self.pointer.times, numbers(survival[1], "y"), self.keep)
            return
        y = numpy.asarray(y)
        if classes is not None:
            y = class_numbers(y, classes)
        elif y.dtype.kind in "US" or (y.dtype == object and all(isinstance(value, str) for value in y.flat)):
            classes, y = numpy.unique(y.astype(str), return_inverse=True)
        if classes is not None:
            self.pointer.class_names = _names(classes, self.keep)
            self.pointer.class_count = len(classes)
        _fill(self.pointer.labels, numbers(y, "y"), self.keep)

    def __str__(self):
        return f"{'x'.join(map(str, self.shape))} {self.dtype}"


def class_numbers(y, classes):
    """The place of each label among the names of classes."""
    place = {str(name): number for number, name in enumerate(classes)}
    found = [place.get(str(label.item() if hasattr(label, "item") else label), -1) for label in y.reshape(-1)]
    if -1 in found:
        raise InvalidArgument(f"y: {str(y.reshape(-1)[found.index(-1)])!r} is none of the classes that the model knows: "
                              f"{', '.join(map(str, classes))[:200]}")
    return numpy.array(found, dtype=numpy.int64)


def frame_file(frame, y=None):
    """A table of the frame, with `y` as its last column, in a temporary file, which goes with what is returned."""
    if y is not None:
        name = getattr(y, "name", None) or "target"
        frame = frame.assign(**{str(name): numpy.asarray(y)})
    handle, path = tempfile.mkstemp(suffix=".csv")
    os.close(handle)
    frame.to_csv(path, index=False)
    return TemporaryFile(path)


class TemporaryFile:
    """A file that is removed with its owner."""

    def __init__(self, path=None, suffix=""):
        if path is None:
            handle, path = tempfile.mkstemp(suffix=suffix)
            os.close(handle)
        self.path = path

    def __del__(self):
        try:
            os.unlink(self.path)
        except OSError:
            pass


def read_names(names, count):
    """A list of the library's texts; None for NULL."""
    return [text(names[i]) for i in range(count)] if names else None
