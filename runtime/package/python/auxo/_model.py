"""Trained and untrained networks: made, loaded, saved, asked for predictions, measured."""
import json
import os

import numpy

from . import _arrays
from ._library import Error, InvalidArgument, call, errors, open_device, owned_text, path_bytes, text
from ._native import ffi, lib
from ._settings import Settings, read_tables

_PARTS = ("auto", "heldout", "test", "train", "all")


class Model:
    """A network on a device.

    Model("lenet5", inputs=(1, 28, 28), outputs=10) makes one with drawn weights, by a built-in name
    ("auxo help models" lists them) or the path of a JSON description; Model.load(path) reads a saved one.

    Parameters
    ----------
    name : str
    inputs : int or (channels, height, width)
        Shape of a row.
    outputs : int
    device : str
        As auxo.devices() names them, or "auto".
    seed : int
        Of the weights.
    """

    def __init__(self, name, inputs, outputs, device="auto", seed=1):
        shape = (inputs, 1, 1) if isinstance(inputs, (int, numpy.integer)) else tuple(inputs)
        if len(shape) != 3:
            raise InvalidArgument(f"inputs: {inputs!r} is neither a number of columns nor (channels, height, width)")
        desc, made = ffi.new("auxo_model_desc *"), ffi.new("auxo_model **")
        self._open(device)
        lib.auxo_model_desc_init(desc)
        try:
            with self._device.lock:
                call(lib.auxo_model_desc_load, path_bytes(name), *shape, outputs, desc)
                call(lib.auxo_model_create, self._device.pointer, desc, seed, made)
        finally:
            lib.auxo_model_desc_deinit(desc)
        self._pointer = made[0]

    def _open(self, device):
        self._pointer, self._survival, self._schema = ffi.NULL, None, None
        self._device = open_device(device)

    @classmethod
    def load(cls, path, device="auto"):
        """A saved model. Errors: NotFound, Io; Format where the file is none."""
        model = cls.__new__(cls)
        model._open(device)
        kind = model._read_schema(path)
        with model._device.lock:
            if kind == lib.AUXO_TARGET_SURVIVAL and model._load_survival(path):
                return model
            made = ffi.new("auxo_model **")
            call(lib.auxo_model_load, model._device.pointer, path_bytes(path), made)
        model._pointer = made[0]
        return model

    def _read_schema(self, path):
        found = ffi.new("auxo_data_schema **")
        call(lib.auxo_model_file_schema, path_bytes(path), found)
        if not found[0]:
            return None
        self._schema = ffi.gc(found[0], lib.auxo_data_schema_destroy)
        return self._schema.target_type

    def _load_survival(self, path):
        """With its baseline hazard; False: the file has none."""
        made = ffi.new("auxo_survival_model *")
        try:
            call(lib.auxo_survival_model_load, self._device.pointer, path_bytes(path), made)
        except errors[lib.AUXO_FORMAT]:
            return False
        self._survival, self._pointer = made, made.network
        return True

    def save(self, path):
        """Writes weights, description and what the model knows of its data as one safetensors file."""
        with self._device.lock:
            if self._survival:
                call(lib.auxo_survival_model_save, self._survival, path_bytes(path))
            else:
                call(lib.auxo_model_save, self._pointer, path_bytes(path))

    def to_onnx(self, path):
        """Writes it as an ONNX file, with its preprocessing and what its outputs are called.
        Errors: Unsupported in a library that was built without protobuf-c."""
        hazard = ffi.addressof(self._survival, "hazard") if self._survival else ffi.NULL
        with self._device.lock:
            call(lib.auxo_onnx_export, self._pointer, hazard, path_bytes(path))

    @classmethod
    def from_onnx(cls, path, device="auto"):
        """The network of an ONNX file. Errors: Unsupported names a node that has no layer here."""
        model, made = cls.__new__(cls), ffi.new("auxo_model **")
        model._open(device)
        with model._device.lock:
            call(lib.auxo_onnx_import, model._device.pointer, path_bytes(path), made)
        model._pointer = made[0]
        return model

    def to(self, device):
        """The same model on another device."""
        file = _arrays.TemporaryFile(suffix=".safetensors")
        self.save(file.path)
        return Model.load(file.path, device)

    def __getstate__(self):
        file = _arrays.TemporaryFile(suffix=".safetensors")
        self.save(file.path)
        with open(file.path, "rb") as stream:
            return {"device": self.device, "file": stream.read()}

    def __setstate__(self, state):
        file = _arrays.TemporaryFile(suffix=".safetensors")
        with open(file.path, "wb") as stream:
            stream.write(state["file"])
        try:
            loaded = Model.load(file.path, state["device"])
        except errors[lib.AUXO_NOT_FOUND]:  # pickled where there was such a device
            loaded = Model.load(file.path, "cpu")
        self.__dict__.update(loaded.__dict__)
        loaded._pointer, loaded._survival = ffi.NULL, None

    def __del__(self):
        if getattr(self, "_survival", None):
            lib.auxo_survival_model_deinit(self._survival)
        elif getattr(self, "_pointer", ffi.NULL):
            lib.auxo_model_destroy(self._pointer)
        self._pointer, self._survival = ffi.NULL, None

    # ---- what it is ----

    @property
    def device(self):
        """The name of its device."""
        return self._device.info["selector"]

    @property
    def description(self):
        """Its layers, as the JSON that Model() reads describes them."""
        found = ffi.new("char **")
        call(lib.auxo_model_desc_to_json, lib.auxo_model_get_desc(self._pointer), found)
        return json.loads(owned_text(found))

    @property
    def weight_count(self):
        """Trained numbers."""
        return lib.auxo_model_weight_count(self._pointer)

    @property
    def classes(self):
        """What the outputs stand for, as an array of numbers or texts; None: they are no classes."""
        if not self._schema or self._schema.target_type != lib.AUXO_TARGET_CLASS:
            return None
        names = _arrays.read_names(self._schema.classes, self._schema.class_count)
        if names is None:
            return numpy.arange(self._schema.class_count)
        try:
            return numpy.array([int(name) for name in names])
        except ValueError:
            return numpy.array(names)

    @property
    def input_names(self):
        """Columns that it reads; None: it knows no names."""
        if not self._schema or not self._schema.inputs:
            return None
        return [text(self._schema.inputs[i].name) for i in range(self._schema.input_count)]

    @property
    def weights(self):
        """Copies of its parameters and statistics, in order, by their names ("conv1.weight")."""
        count = lib.auxo_model_param_count(self._pointer)
        flat = [numpy.empty(max(size, 1), numpy.float32) for size in
                (self.weight_count, lib.auxo_model_statistic_count(self._pointer))]
        with self._device.lock:
            call(lib.auxo_model_read_weights, self._pointer,
                 *(ffi.from_buffer("float[]", array, require_writable=True) for array in flat))
        found = {}
        for i in range(count):
            parameter = lib.auxo_model_params(self._pointer)[i]
            shape = tuple(parameter.dims[axis] for axis in range(parameter.rank))
            size = int(numpy.prod(shape))
            part = flat[0] if parameter.trainable else flat[1]
            found[text(parameter.name)] = part[parameter.offset:parameter.offset + size].reshape(shape)
        return found

    def __repr__(self):
        name = self.description.get("name", "network")
        return f"<auxo.Model {name}: {self.weight_count:,} weights on {self.device}>"

    # ---- rows ----

    def _rows(self, data, y, part, settings, labels):
        """The data set that was asked for, in the form that the model knows; with what it borrows."""
        if part not in _PARTS:
            raise InvalidArgument(f"split: {part!r} is not one of {', '.join(_PARTS)}")
        values = Settings.of_data()
        values.set(read_tables(values.tables), settings)
        request = ffi.new("auxo_data_request *")
        request.schema = self._schema or ffi.NULL
        request.ignore_labels = not labels and bool(self._schema)
        request.map = True
        keep = self._give(values, data, y)
        sets = ffi.new("auxo_dataset *[2]")
        call(lib.auxo_settings_load_data, values.pointer, request, sets, sets + 1)
        rows = self._choose(sets, part, labels)
        keep.append(values)
        return rows, keep

    def _give(self, values, data, y):
        """Tells the settings where rows are; returns what must outlive them."""
        if _arrays.is_frame(data):
            if not _arrays.is_numeric_frame(data):
                file = _arrays.frame_file(data, y)
                values.set({}, {"data": file.path})
                return [file]
            names = self.input_names
            if names and all(name in data.columns for name in names):
                data = data[names]
        elif isinstance(data, (str, os.PathLike)):
            values.set({}, {"data": data})
            return []
        elif isinstance(data, tuple) and y is None and len(data) == 2:
            data, y = data
        classes = self.classes if y is not None else None
        rows = _arrays.Rows(data, y, classes=classes)
        call(lib.auxo_settings_set_arrays, values.pointer, rows.pointer, ffi.NULL)
        return [rows]

    def _choose(self, sets, part, labels):
        train, test = (ffi.gc(one, lib.auxo_dataset_destroy) if one else None for one in (sets[0], sets[1]))
        if not test and part != "all" and self._schema and (labels or part != "auto"):
            again = ffi.new("auxo_dataset *[2]")
            call(lib.auxo_dataset_held_out, train, self._schema, again, again + 1)
            if again[0]:
                test, train = (ffi.gc(one, lib.auxo_dataset_destroy) for one in (again[0], again[1]))
        if part in ("heldout", "test") and not test:
            raise InvalidArgument("split: there is no test split, and these are not the rows that the model was trained "
                                  "on with some held out; use split='all'")
        if part == "all" and test:
            raise InvalidArgument("split: the set has a test split of its own; use 'train' or 'test'")
        return train if part in ("train", "all") or not test else test

    # ---- outputs ----

    def outputs(self, data, batch=256, softmax=False, split="auto", **settings):
        """What the network puts out for every row: (rows, outputs), float32; softmax: probabilities of classes.

        data : an array, a DataFrame, or what `data` is to auxo.train; settings: those that say how a file is read.
        split : "auto" (the test split of a set that has one, else all rows), "heldout", "test", "train", "all".
        """
        rows, keep = self._rows(data, None, split, settings, labels=False)
        found = self._compute(rows, batch, softmax)
        del rows, keep
        return found

    def _compute(self, rows, batch, softmax):
        desc = lib.auxo_model_get_desc(self._pointer)
        dims = desc.layers[desc.layer_count - 1].output_dims
        found = numpy.empty((rows.row_count, dims[0] * dims[1] * dims[2]), numpy.float32)
        with self._device.lock:
            call(lib.auxo_model_predict, self._pointer, rows, batch, softmax,
                 ffi.from_buffer("float[]", found, require_writable=True))
        return found

    def probabilities(self, data, **options):
        """The probability of each class for every row: (rows, classes); options as for outputs."""
        if self._kind() not in (lib.AUXO_TARGET_CLASS, lib.AUXO_TARGET_NONE):
            raise InvalidArgument("probabilities: the model's outputs are no classes")
        return self.outputs(data, softmax=True, **options)

    def predict(self, data, **options):
        """The class of every row, its predicted numbers in the targets' own units, or its log relative risk.

        Shape: (rows), or (rows, targets) where there are several. Options as for outputs.
        """
        outputs = self.outputs(data, **options)
        kind = self._kind()
        if kind == lib.AUXO_TARGET_CLASS:
            return self.classes[outputs.argmax(axis=1)]
        if kind == lib.AUXO_TARGET_REAL:
            outputs = self._with_offsets(outputs)
        return outputs[:, 0] if outputs.shape[1] == 1 else outputs

    def _kind(self):
        return self._schema.target_type if self._schema else lib.AUXO_TARGET_NONE

    def _with_offsets(self, values):
        offsets = self._schema.target_offsets if self._schema else ffi.NULL
        if not offsets or not any(offsets[i] for i in range(values.shape[1])):
            return values
        return values + numpy.array([offsets[i] for i in range(values.shape[1])])

    # ---- measuring ----

    def evaluate(self, data, y=None, batch=256, split="auto", **settings):
        """How good the model is on rows with labels: a dictionary.

        Of classes: loss, accuracy, macro_f1, weighted_f1, macro_auroc, calibration_error, confusion (classes, classes).
        Of numbers: loss, and mse, rmse, mae, r2 of each target. Of survival: concordance with its interval, and scores.
        split : as for outputs; "auto" takes the rows that were held out in training where these are the same data.
        """
        rows, keep = self._rows(data, y, split, settings, labels=True)
        if rows.target_type == lib.AUXO_TARGET_SURVIVAL:
            found = self._evaluate_survival(rows)
        else:
            call(lib.auxo_model_check_data, self._pointer, rows)
            outputs = self._compute(rows, batch, False)
            is_class = rows.target_type == lib.AUXO_TARGET_CLASS
            found = _score_classes(rows, outputs) if is_class else _score_numbers(rows, outputs)
        found["rows"] = rows.row_count
        del rows, keep
        return found

    def _evaluate_survival(self, rows):
        if not self._survival:
            raise InvalidArgument("evaluate: the model has no baseline hazard; auxo.survival makes one that has")
        risks, scores = ffi.new("double *[1]"), ffi.new("auxo_survival_scores *")
        model, fit = self._survival, ffi.new("auxo_survival_sample *")
        fit.count, fit.times, fit.events = model.training_count, model.training_times, model.training_events
        with self._device.lock:
            call(lib.auxo_survival_risks, model.network, rows, False, risks, ffi.NULL)
        try:
            call(lib.auxo_survival_scores_compute, fit, rows, risks[0], ffi.addressof(model, "hazard"), 1, scores)
        finally:
            lib.free(risks[0])
        return {"concordance": scores.concordance.index, "concordance_low": scores.low,
                "concordance_high": scores.high, "uno": scores.uno, "integrated_brier": scores.integrated_brier,
                "times": list(scores.times), "areas": list(scores.areas), "briers": list(scores.briers)}

    def cumulative_hazard(self):
        """(times, values) of the baseline's step function, for a risk of 0. Errors: InvalidArgument without one."""
        if not self._survival:
            raise InvalidArgument("cumulative_hazard: this is no survival model")
        hazard = self._survival.hazard
        size = hazard.count * ffi.sizeof("double")
        return tuple(numpy.frombuffer(ffi.buffer(values, size), dtype=numpy.float64).copy()
                     for values in (hazard.times, hazard.values))


def _read_rows(rows, kind, count):
    """Labels or targets of all rows, wherever they lie."""
    block = ffi.new("auxo_row_block *")
    is_class = kind == "labels"
    values = numpy.empty(rows.row_count * count, numpy.uint32 if is_class else numpy.float32)
    pointer = ffi.from_buffer("uint32_t[]" if is_class else "float[]", values, require_writable=True)
    setattr(block, kind, pointer)
    call(lib.auxo_dataset_read, rows, ffi.NULL, 0, rows.row_count, block)
    return values, pointer


def _score_classes(rows, outputs):
    labels, pointer = _read_rows(rows, "labels", 1)
    found = ffi.new("auxo_class_scores *")
    try:
        call(lib.auxo_class_scores_compute, ffi.from_buffer("float[]", outputs), pointer, len(labels),
             outputs.shape[1], found)
        count = found.class_count
        confusion = numpy.frombuffer(ffi.buffer(found.confusion, 8 * count * count), dtype=numpy.uint64)
        return {"loss": found.loss, "accuracy": found.accuracy, "macro_f1": found.macro_f1,
                "weighted_f1": found.weighted_f1, "macro_auroc": found.macro_auroc,
                "calibration_error": found.calibration_error,
                "confusion": confusion.reshape(count, count).astype(numpy.int64)}
    finally:
        lib.auxo_class_scores_deinit(found)


def _score_numbers(rows, outputs):
    if rows.target_type != lib.AUXO_TARGET_REAL:
        raise Error("evaluate: the rows have no labels; give y")
    count = outputs.shape[1]
    targets, pointer = _read_rows(rows, "targets", count)
    names = _arrays.read_names(rows.target_names, count) or [f"y{i + 1}" for i in range(count)]
    values = ffi.from_buffer("float[]", outputs)
    found = {"targets": {}}
    for i, name in enumerate(names):
        score = lib.auxo_real_score_compute(values + i, pointer + i, rows.row_count, count)
        found["targets"][name] = {"mse": score.mse, "rmse": score.mse ** 0.5, "mae": score.mae, "r2": score.r2}
    found["loss"] = sum(score["mse"] for score in found["targets"].values()) / count
    if count == 1:
        found.update(found["targets"][names[0]])
    return found
