"""The C library by ctypes, as far as the campaigns need it: devices, tensors from numpy arrays, single ops, models.

The structures are those of include/auxo/{tensor,ops,plan,model}.h; numbers of enumerations are read from the headers,
so that a change there cannot go unnoticed here.
"""
import ctypes
import pathlib
import re

import numpy

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Error(ctypes.Structure):
    _fields_ = [("status", ctypes.c_int), ("message", ctypes.c_char * 512)]


class Tensor(ctypes.Structure):
    _fields_ = [("buffer", ctypes.c_void_p), ("temp_id", ctypes.c_uint32), ("dtype", ctypes.c_int),
                ("rank", ctypes.c_uint32), ("offset_bytes", ctypes.c_uint64), ("dims", ctypes.c_int64 * 4),
                ("strides", ctypes.c_int64 * 4)]


class Op(ctypes.Structure):
    _fields_ = [("kind", ctypes.c_int), ("tensors", Tensor * 10), ("params", ctypes.c_uint64 * 32)]


class Forward(ctypes.Structure):
    _fields_ = [("training", ctypes.c_bool), ("input", Tensor), ("counter", Tensor), ("seed", ctypes.c_uint64),
                ("begin_layer", ctypes.c_uint32), ("end_layer", ctypes.c_uint32), ("need_backward", ctypes.c_bool),
                ("backward_stop", ctypes.c_uint32), ("loss_scale", Tensor), ("norm_sync", ctypes.c_void_p),
                ("keeps_narrow_weights", ctypes.c_bool)]


class PlanOptions(ctypes.Structure):
    _fields_ = [("allow_host_fallback", ctypes.c_bool), ("profile", ctypes.c_bool), ("stop", ctypes.c_void_p),
                ("no_self_test", ctypes.c_bool)]


class RuntimeOptions(ctypes.Structure):
    _fields_ = [("backends", ctypes.c_void_p), ("backend_count", ctypes.c_size_t), ("rest", ctypes.c_uint64 * 32)]


class Desc(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char * 64), ("layer_count", ctypes.c_uint32), ("layer_capacity", ctypes.c_uint32),
                ("layers", ctypes.c_void_p)]


class OptimizerConfig(ctypes.Structure):
    _fields_ = [("bytes", ctypes.c_uint64 * 64)]


def table(name, header="ops"):
    """The nouns of an X macro in order: {"gemm": 0, ...}."""
    text = (ROOT / "include/auxo" / f"{header}.h").read_text()
    body = re.search(rf"#define {name}\(X\)((?:.*\\\n)*.*)", text).group(1)
    return {noun: i for i, noun in enumerate(re.findall(r"X\(\w+, (\w+)", body))}


def check_members(structure, name, header):
    """Ends the campaign where a structure of the headers has other members than its copy here: all would look wrong."""
    text = re.sub(r"/\*.*?\*/", "", (ROOT / "include/auxo" / f"{header}.h").read_text(), flags=re.S)
    body = re.search(rf"typedef struct {name} \{{(.*?)\}} {name};", text, re.S).group(1)
    members = [re.search(r"(\w+)\s*(?:\[.*\])?$", line.strip()).group(1) for line in body.split(";") if line.strip()]
    known = [field[0] for field in structure._fields_]
    if members != known:
        raise SystemExit(f"{name} has {members}, but tests/campaigns/auxo_library.py {known}")


check_members(Forward, "auxo_forward", "model")
check_members(PlanOptions, "auxo_plan_options", "plan")
KINDS = table("AUXO_OP_TABLE")
ACTIVATIONS = table("AUXO_ACTIVATION_TABLE", "kinds")
DTYPES = {numpy.dtype(numpy.float32): 0, numpy.dtype(numpy.uint32): 2, numpy.dtype(numpy.uint8): 3}


class AuxoError(Exception):
    pass


class Library:
    """One device of the library, with a queue."""

    def __init__(self, path, selector):
        self.lib = ctypes.CDLL(str(path))
        self.lib.auxo_backends_list.restype = ctypes.c_void_p
        self.lib.auxo_activations_output.restype = Tensor
        self.lib.auxo_plan_temp.restype = Tensor
        for name in ("auxo_model_queue", "auxo_model_gradients", "auxo_model_add_forward"):
            getattr(self.lib, name).restype = ctypes.c_void_p
        for name in ("auxo_model_weight_count", "auxo_model_statistic_count"):
            getattr(self.lib, name).restype = ctypes.c_uint64
        self.error = Error()
        self.backends = ctypes.c_void_p()
        self.call("auxo_backends_load", ctypes.byref(self.backends))
        count = ctypes.c_size_t()
        listed = self.lib.auxo_backends_list(self.backends, ctypes.byref(count))
        options = RuntimeOptions(backends=listed, backend_count=count.value)
        self.runtime, self.device, self.queue = (ctypes.c_void_p() for _ in range(3))
        self.call("auxo_runtime_create", ctypes.byref(options), ctypes.byref(self.runtime))
        self.call("auxo_device_open", self.runtime, selector.encode(), ctypes.byref(self.device))
        self.call("auxo_queue_create", self.device, ctypes.byref(self.queue))
        self.buffers = []

    def call(self, name, *arguments):
        """Calls a function whose last parameter is an auxo_error; raises its message."""
        if getattr(self.lib, name)(*arguments, ctypes.byref(self.error)) != 0:
            raise AuxoError(self.error.message.decode())

    def tensor(self, array, dtype=numpy.float32):
        """A new tensor on the device, freed by `release`."""
        array = numpy.ascontiguousarray(array, dtype=dtype)
        buffer = ctypes.c_void_p()
        self.call("auxo_buffer_create", self.device, ctypes.c_uint64(array.nbytes), ctypes.byref(buffer))
        self.buffers.append(buffer)
        made = Tensor(buffer=buffer.value, dtype=DTYPES[array.dtype], rank=array.ndim)
        stride = 1
        for axis in reversed(range(array.ndim)):
            made.dims[axis], made.strides[axis] = array.shape[axis], stride
            stride *= array.shape[axis]
        if array.nbytes:
            self.call("auxo_buffer_write", self.queue, buffer, ctypes.c_uint64(0),
                      array.ctypes.data_as(ctypes.c_void_p), ctypes.c_uint64(array.nbytes))
        return made

    def read(self, tensor):
        shape = tuple(tensor.dims[:tensor.rank])
        dtype = next(d for d, number in DTYPES.items() if number == tensor.dtype)
        array = numpy.zeros(shape, dtype=dtype)
        if array.nbytes:
            self.call("auxo_buffer_read", self.queue, ctypes.c_void_p(tensor.buffer),
                      ctypes.c_uint64(tensor.offset_bytes), array.ctypes.data_as(ctypes.c_void_p),
                      ctypes.c_uint64(array.nbytes))
        return array

    def release(self):
        self.call("auxo_queue_wait", self.queue)
        for buffer in self.buffers:
            self.lib.auxo_buffer_destroy(buffer)
        self.buffers = []

    def run(self, kind, slots, params=None):
        """slots: {slot number: Tensor}; params: a ctypes structure laid out as that of the op."""
        self.call("auxo_op_run", self.queue, ctypes.byref(make_op(kind, slots, params)))


def make_op(kind, slots, params=None):
    op = Op(kind=KINDS[kind])
    for slot, tensor in slots.items():
        op.tensors[slot] = tensor
    if params is not None:
        ctypes.memmove(op.params, ctypes.byref(params), ctypes.sizeof(params))
    return op


def params(**fields):
    """A structure of the given fields in order: int -> int32, bool, float."""
    types = {bool: ctypes.c_bool, int: ctypes.c_int32, float: ctypes.c_float}
    layout = type("Params", (ctypes.Structure,), {"_fields_": [(n, types[type(v)]) for n, v in fields.items()]})
    return layout(**fields)


class Training:
    """A model with a plan of one step: forward in training mode, softmax cross-entropy, backward, update."""

    def __init__(self, library, description, batch, labels, optimizer):
        self.library, lib, call = library, library.lib, library.call
        self.desc, self.model, self.plan, self.optimizer = Desc(), ctypes.c_void_p(), ctypes.c_void_p(), None
        lib.auxo_model_desc_init(ctypes.byref(self.desc))
        call("auxo_model_desc_from_json", description.encode(), ctypes.byref(self.desc))
        call("auxo_model_create", library.device, ctypes.byref(self.desc), ctypes.c_uint64(1),
             ctypes.byref(self.model))
        call("auxo_plan_create", library.device, ctypes.byref(self.plan))
        self.counter = library.tensor([1, 0, 0, 0], numpy.uint32)
        forward = Forward(training=True, input=library.tensor(batch), counter=self.counter, need_backward=True)
        activations = ctypes.c_void_p(lib.auxo_model_add_forward(self.model, self.plan, ctypes.byref(forward)))
        logits = lib.auxo_activations_output(activations, self.desc.layer_count - 1)
        self.loss = library.tensor(numpy.zeros(2))
        gradient = lib.auxo_plan_temp(self.plan, 0, 2, logits.dims)
        slots = {0: logits, 1: library.tensor(labels, numpy.uint32), 2: self.loss, 3: gradient}
        lib.auxo_plan_add(self.plan, ctypes.byref(make_op("softmax_cross_entropy", slots)), b"loss")
        lib.auxo_model_add_backward(self.model, self.plan, activations, ctypes.byref(gradient), None)
        lib.auxo_activations_destroy(activations)
        self.count = lib.auxo_model_weight_count(self.model)
        config, self.optimizer = OptimizerConfig(), ctypes.c_void_p()
        call("auxo_optimizer_config_parse", optimizer.encode(), ctypes.byref(config))
        call("auxo_optimizer_create", self.model, ctypes.byref(config), ctypes.byref(self.optimizer))
        lib.auxo_optimizer_add_step(self.optimizer, self.plan, ctypes.c_uint64(0), ctypes.c_uint64(self.count),
                                    ctypes.byref(self.counter))
        step = make_op("counter_add", {0: self.counter}, params(step=1, batch=0, epoch=0, free=0))
        lib.auxo_plan_add(self.plan, ctypes.byref(step), b"counter")
        call("auxo_plan_compile", self.plan, ctypes.byref(PlanOptions()))

    def weights(self):
        weights = numpy.zeros(self.count, numpy.float32)
        statistics = numpy.zeros(self.library.lib.auxo_model_statistic_count(self.model), numpy.float32)
        self.library.call("auxo_model_read_weights", self.model, weights.ctypes.data_as(ctypes.c_void_p),
                          statistics.ctypes.data_as(ctypes.c_void_p))
        return weights

    def gradients(self):
        array = numpy.zeros(self.count, numpy.float32)
        queue = ctypes.c_void_p(self.library.lib.auxo_model_queue(self.model))
        self.library.call("auxo_buffer_read", queue, ctypes.c_void_p(self.library.lib.auxo_model_gradients(self.model)),
                          ctypes.c_uint64(0), array.ctypes.data_as(ctypes.c_void_p), ctypes.c_uint64(array.nbytes))
        return array

    def step(self, count):
        queue = ctypes.c_void_p(self.library.lib.auxo_model_queue(self.model))
        self.library.call("auxo_plan_run", self.plan, queue, ctypes.c_uint32(count))
        self.library.call("auxo_queue_wait", queue)

    def close(self):
        self.library.lib.auxo_plan_destroy(self.plan)
        self.library.lib.auxo_optimizer_destroy(self.optimizer)
        self.library.lib.auxo_model_destroy(self.model)
        self.library.lib.auxo_model_desc_deinit(ctypes.byref(self.desc))
