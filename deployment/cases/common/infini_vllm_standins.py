"""Stand-ins for the parts of vLLM's imports that its benchmark client never uses: PyTorch and the engine.

vLLM's `benchmarks/serve.py` is an HTTP client, but importing it imports torch and packages of the engine. Where torch is
not installed, this module answers for them with empty classes, so that the client runs from vLLM's source with nothing
built. A `.pth` file of the environment loads it. Where torch is installed, it does nothing.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
import types

NAMES = (
    "torch",
    "vllm.env_override",
    "vllm.utils.torch_utils",
    "vllm.utils.torch_version",
    "vllm.lora",
    "vllm.multimodal",
    "vllm.config",
    "vllm.inputs",
    "vllm.model_executor",
    "vllm.distributed",
)


class _Anything(type):
    """Metaclass of a stand-in: every attribute, index, call and union of it is a stand-in again."""

    def __getattr__(cls, name: str) -> object:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        made = _stand_in(name)
        setattr(cls, name, made)
        return made

    def __getitem__(cls, _item: object) -> type:
        return cls

    def __or__(cls, _other: object) -> type:
        return cls

    __ror__ = __or__

    def __iter__(cls):
        return iter(())

    def __call__(cls, *args: object, **_kwargs: object) -> object:
        if len(args) == 1 and callable(args[0]) and not isinstance(args[0], _Anything):
            return args[0]
        return super().__call__()


def _stand_in(name: str) -> type:
    return _Anything(name, (), {})


class _Module(types.ModuleType):
    def __getattr__(self, name: str) -> object:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        made = _stand_in(name)
        setattr(self, name, made)
        return made


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, fullname, path=None, target=None):
        if not any(fullname == n or fullname.startswith(n + ".") for n in NAMES):
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec):
        return _Module(spec.name)

    def exec_module(self, module) -> None:
        pass


if importlib.machinery.PathFinder.find_spec("torch") is None:
    sys.meta_path.insert(0, _Finder())
