"""Settings tables of the library as Python: keyword arguments, defaults, signatures, documentation."""
import inspect
import keyword
import os
import textwrap

from ._library import InvalidArgument, call, errors, text
from ._native import ffi, lib

FLAG, TEXT, INTEGER = lib.AUXO_SETTING_FLAG, lib.AUXO_SETTING_TEXT, lib.AUXO_SETTING_INTEGER
REAL, SECONDS, CHOICE = lib.AUXO_SETTING_REAL, lib.AUXO_SETTING_SECONDS, lib.AUXO_SETTING_CHOICE
ROLES = {lib.AUXO_SETTING_SHAPES: "shapes", lib.AUXO_SETTING_GROWS: "grows", lib.AUXO_SETTING_ADAPTS: "adapts",
         lib.AUXO_SETTING_DATA: "data", lib.AUXO_SETTING_FREE: "free"}


def python_name(name):
    """lr-schedule is lr_schedule; a word of the language gets an underscore: lambda_."""
    name = name.replace("-", "_").replace(" ", "_")
    return name + "_" if keyword.iskeyword(name) else name


class Setting:
    """One setting of a table: its name there and here, its type, its default as a Python value, its help."""

    def __init__(self, entry, default):
        self.name = text(entry.name)
        self.keyword = python_name(self.name)
        self.type = entry.type
        self.argument = text(entry.argument)
        self.help = text(entry.help)
        self.role = ROLES[entry.role]
        self.minimum, self.maximum = entry.minimum, entry.maximum
        self.choices = self.argument.split("|") if self.type == CHOICE else None
        self.presets = self._read_presets(entry.presets)
        self.default = self._value(default)

    def _read_presets(self, presets):
        if not presets:
            return []
        return [(text(presets[i].name), text(presets[i].help)) for i in range(len(self.choices))]

    def _value(self, default):
        if self.type == FLAG:
            return default is not None and default != "no"
        if default is None:
            return None
        if self.type == INTEGER:
            return int(default)
        if self.type == REAL:
            return float(default)
        return default

    def help_lines(self):
        """Its entry in a docstring."""
        kinds = {FLAG: "bool", TEXT: "str", INTEGER: "int", REAL: "float", SECONDS: "str or seconds"}
        kind = "one of " + ", ".join(self.choices) if self.type == CHOICE else kinds[self.type]
        head = f"{self.keyword} : {kind}" + ("" if self.default is None else f", default {self.default!r}")
        lines = [head, *textwrap.wrap(self.help, 96, initial_indent="    ", subsequent_indent="    ")]
        for name, purpose in self.presets:
            lines += textwrap.wrap(f"{name}: {purpose}", 96, initial_indent="      ", subsequent_indent="        ")
        return lines


def to_text(value):
    """A Python value as the text that a setting takes; None: as if it had not been given."""
    if value is None:
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:  # a number of NumPy's
        value = value.item()
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, (list, tuple)):
        return ",".join(_quoted(to_text(item)) for item in value)
    raise InvalidArgument(f"{value!r:.60} is neither text, number, bool, path nor a list of them")


def _quoted(item):
    return '"' + item.replace('"', '""') + '"' if "," in item or '"' in item else item


def read_tables(tables, defaults=ffi.NULL):
    """Every setting of a NULL-ended list of tables, in order, by its keyword."""
    given = {}
    while defaults and defaults.setting:
        given[text(defaults.setting)] = text(defaults.value)
        defaults += 1
    found = {}
    while tables[0]:
        entry = tables[0]
        while entry.name:
            setting = Setting(entry, given.get(text(entry.name), text(entry.initial)))
            found.setdefault(setting.keyword, setting)
            entry += 1
        tables += 1
    return found


class Settings:
    """Values for tables of settings, as the library keeps them."""

    def __init__(self, create):
        made = ffi.new("auxo_settings **")
        call(create, made)
        self.pointer = ffi.gc(made[0], lib.auxo_settings_destroy)

    @classmethod
    def of_method(cls, method):
        return cls(lambda made, error: lib.auxo_settings_create(method, made, error))

    @classmethod
    def of_data(cls):
        """Those that say what data is."""
        tables = ffi.new("const auxo_setting *[2]", [lib.auxo_data_settings, ffi.NULL])
        settings = cls(lambda made, error: lib.auxo_settings_create_from(tables, ffi.NULL, made, error))
        settings.tables = tables
        return settings

    def set(self, known, values):
        """Sets keyword arguments. Errors: TypeError for a name that is no setting; InvalidArgument for a value."""
        for name, value in values.items():
            setting = known.get(name) or known.get(python_name(name))
            try:
                value_text = to_text(value)
            except InvalidArgument as error:
                raise InvalidArgument(f"{name}: {error}") from None
            value_bytes = ffi.NULL if value_text is None else value_text.encode()
            try:
                call(lib.auxo_settings_set, self.pointer, (setting.name if setting else name).encode(), value_bytes)
            except errors[lib.AUXO_INVALID_ARGUMENT] as error:
                if setting:
                    raise
                raise TypeError(str(error)) from None


def signature(known, leading):
    """Of a function that takes `leading` parameters and every setting by keyword."""
    taken = {parameter.name for parameter in leading}
    parameters = [inspect.Parameter(s.keyword, inspect.Parameter.KEYWORD_ONLY, default=s.default)
                  for s in known.values() if s.keyword not in taken]
    return inspect.Signature([*leading, *parameters])


def documentation(known, skip=()):
    """The settings as a section of a docstring."""
    lines = ["Parameters", "----------"]
    for setting in known.values():
        if setting.keyword not in skip:
            lines += setting.help_lines()
    return "\n".join(lines)
