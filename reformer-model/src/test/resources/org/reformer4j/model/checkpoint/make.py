"""Makes the files beside it: run with each version of torch, then once for the rest.

python make.py torch 1.13    with Debian's torch 1.13
python make.py torch 2.13    with torch 2.13
python make.py rest          with torch 2.13 and safetensors 0.8
"""

import collections
import os
import sys

import torch


def numbers(*shape):
    count = 1
    for n in shape:
        count *= n
    return (torch.arange(count, dtype=torch.float32) * 0.37 - 2.5).reshape(shape)


def tensors():
    shared = numbers(4, 6)
    return collections.OrderedDict(
        plain=numbers(2, 3),
        transposed=numbers(3, 5).t(),
        rows=shared[1:3],
        columns=shared[:, 2:4],
        every_second=shared[::2, 1::2],
        whole=shared,
        permuted=numbers(2, 3, 4).permute(2, 0, 1),
        expanded=numbers(3, 1).expand(3, 4),
        scalar=torch.tensor(1.5),
        empty=torch.zeros(0, 3),
        parameter=torch.nn.Parameter(numbers(3)),
        half=torch.tensor([0.0, -1.0, 65504.0, 6e-8, float("inf")]).half(),
        brain=torch.tensor([0.0, -1.0, 3e38, 1e-40, float("-inf")]).bfloat16(),
        double=torch.tensor([0.1, -1e300, 1e-300], dtype=torch.float64),
        int64=torch.tensor([-1, 2**62]),
        uint8=torch.tensor([0, 255], dtype=torch.uint8),
        bool=torch.tensor([True, False]),
    )


class Malicious:
    def __reduce__(self):
        return os.system, ("echo this must never run",)


class Hidden:
    """Looks like a part of torch."""

    def __reduce__(self):
        return torch.hub.load, ("a", "b")


def main(what, version):
    if what == "torch":
        state = tensors()
        state._metadata = {"": {"version": 1}, "layer": {}}
        torch.save(state, f"torch-{version}.bin")
        torch.save(dict(state), f"torch-{version}-protocol4.bin", pickle_protocol=4)
        return
    from safetensors.torch import save_file

    clones = {k: v.detach().clone().contiguous() for k, v in tensors().items()}
    save_file(clones, "expected.safetensors", metadata={"format": "pt"})
    for dtype in "float32", "float16", "bfloat16":
        layout = {
            "b.weight": numbers(3, 5),
            "a": torch.tensor(2.71828),
            "b.bias": torch.tensor([1e-6, -6.1e-5, 1 / 3, 65503.0]),
            "c.10": numbers(0, 2),
            "c.2": numbers(7),
        }
        layout = {k: v.to(getattr(torch, dtype)) for k, v in layout.items()}
        save_file(layout, f"layout-{dtype}.safetensors", metadata={"format": "pt"})
    torch.save({"a": torch.zeros(2)}, "legacy.bin", _use_new_zipfile_serialization=False)
    torch.save({"a": torch.zeros(2), "b": Malicious()}, "malicious.bin")
    torch.save({"a": torch.zeros(2), "b": Hidden()}, "hidden.bin")
    torch.save({"epoch": 3, "state_dict": {"a": torch.zeros(2)}}, "nested.bin")


main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None)
