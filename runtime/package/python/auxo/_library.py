"""The library itself: failures as exceptions, texts, the runtime of this process, its devices."""
import logging
import os
import threading

from ._native import ffi, lib

logger = logging.getLogger("auxo")


class Error(Exception):
    """What the library refused or could not do: one line that says what was wrong, where, and what to do."""

    status = None  # the library's word for the kind of failure


class InvalidArgument(Error, ValueError):
    """A value that cannot be right."""


class Interrupted(Error):
    """A run that was stopped; its checkpoint, if it has one, is saved."""


for _kind in (Error, InvalidArgument, Interrupted):
    _kind.__module__ = "auxo"

_KINDS = {
    "INVALID_ARGUMENT": (InvalidArgument,),
    "FORMAT": (Error, ValueError),
    "NOT_FINITE": (Error, ArithmeticError),
    "AMBIGUOUS": (Error, LookupError),
    "NOT_FOUND": (Error, LookupError),
    "OUT_OF_MEMORY": (Error, MemoryError),
    "OUT_OF_DEVICE_MEMORY": (Error, MemoryError),
    "UNSUPPORTED": (Error, NotImplementedError),
    "IO": (Error, OSError),
    "INTERRUPTED": (Interrupted,),
}


def text(pointer):
    """A text of the library's; None for NULL."""
    return ffi.string(pointer).decode("utf-8", "replace") if pointer else None


def owned_text(pointer):
    """The text that *pointer was allocated for, which is freed."""
    found = text(pointer[0])
    lib.free(pointer[0])
    return found


def path_bytes(path):
    """A path as the library takes it."""
    return os.fsencode(os.fspath(path))


def _make_errors():
    """One exception for each status of the library, by its number."""
    found = {}
    for number, name in ffi.typeof("auxo_status").elements.items():
        if number in (lib.AUXO_OK, lib.AUXO_STATUS_COUNT):
            continue
        name = name[len("AUXO_"):]
        bases = _KINDS.get(name, (Error,))
        title = "".join(part.capitalize() for part in name.split("_"))
        found[number] = bases[0] if bases[0].__name__ == title else type(title, bases, {"__module__": "auxo"})
        found[number].status = text(lib.auxo_status_text(number))
        found[number].__doc__ = found[number].__doc__ or f"The library's status: {found[number].status}."
    return found


errors = _make_errors()


def check(status, error):
    """Raises the exception of a status that is not OK."""
    if status != lib.AUXO_OK:
        raise errors[status](text(error.message) or errors[status].status)


def call(function, *arguments):
    """Calls a function of the library whose last argument is where a failure is told."""
    error = ffi.new("auxo_error *")
    check(function(*arguments, error), error)


# ---- the runtime of this process ---------------------------------------------------------------------------------


@ffi.def_extern()
def auxo_python_log(_user, level, message):
    levels = {lib.AUXO_LOG_DEBUG: logging.DEBUG, lib.AUXO_LOG_INFO: logging.INFO,
              lib.AUXO_LOG_WARNING: logging.WARNING}
    logger.log(levels.get(level, logging.ERROR), "%s", text(message))


class _Session:
    """A runtime with every backend that there is, and the devices opened on it so far."""

    def __init__(self):
        backends = ffi.new("auxo_backends **")
        call(lib.auxo_backends_load, backends)
        self.backends = backends[0]
        counts = ffi.new("size_t[2]")
        options = ffi.new("auxo_runtime_options *")
        options.backends = lib.auxo_backends_list(self.backends, counts)
        options.backend_count = counts[0]
        missing = lib.auxo_backends_missing(self.backends, counts + 1)
        options.missing, options.missing_count = missing, counts[1]
        self.missing = {text(missing[i].name): text(missing[i].reason) for i in range(counts[1])}
        options.log = lib.auxo_python_log
        folder = ffi.new("char[4096]")
        options.cache_dir = folder if lib.auxo_cache_folder(folder, 4096) else ffi.NULL
        runtime = ffi.new("auxo_runtime **")
        call(lib.auxo_runtime_create, options, runtime)
        self.runtime = runtime[0]
        self.devices = {}


_sessions = {}  # by process: a device belongs to the one that opened it
_lock = threading.Lock()


def session():
    """The runtime of this process, made when it is first needed."""
    with _lock:
        if os.getpid() not in _sessions:
            _sessions[os.getpid()] = _Session()
        return _sessions[os.getpid()]


class Device:
    """An open device. One thread at a time may use it, or anything made on it: the one that holds `lock`."""

    def __init__(self, selector):
        device = ffi.new("auxo_device **")
        call(lib.auxo_device_open, session().runtime, selector.encode(), device)
        self.pointer = device[0]
        self.lock = threading.RLock()
        self.info = _describe(lib.auxo_device_get_info(self.pointer))


def open_device(selector):
    """The device of that name, opened once in a process."""
    opened = session().devices
    with _lock:
        device = opened.get(selector)
    if device is None:
        device = Device(selector)
        with _lock:
            device = opened.setdefault(selector, opened.setdefault(device.info["selector"], device))
    return device


def _describe(info):
    kinds = {lib.AUXO_DEVICE_CPU: "cpu", lib.AUXO_DEVICE_INTEGRATED_GPU: "integrated gpu",
             lib.AUXO_DEVICE_DISCRETE_GPU: "discrete gpu", lib.AUXO_DEVICE_ACCELERATOR: "accelerator"}
    return {"selector": text(info.selector), "name": text(info.name), "vendor": text(info.vendor),
            "driver": text(info.driver), "type": kinds[info.type], "compute_units": info.compute_units,
            "memory_bytes": info.memory_bytes, "is_reference": bool(info.is_reference)}


def devices():
    """Every device of this machine, one dictionary each; "selector" is what `device=` takes."""
    infos, count = ffi.new("auxo_device_info **"), ffi.new("size_t *")
    call(lib.auxo_device_list, session().runtime, infos, count)
    try:
        return [_describe(infos[0][i]) for i in range(count[0])]
    finally:
        lib.auxo_device_list_free(infos[0])


def missing_backends():
    """Backends that cannot be used on this machine, and why: {"vulkan": "libvulkan.so.1: cannot open ..."}."""
    return dict(session().missing)


def version():
    """The version of the library."""
    return text(lib.auxo_version())
