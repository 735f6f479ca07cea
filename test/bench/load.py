"""Seconds and peak memory of transformers' `from_pretrained` on a model folder, bfloat16:
`python load.py FOLDER`. Prints one JSON line; `load.ts` is the project's own, and says what is timed. Imports are not."""

import json
import resource
import sys
import time

import torch
from transformers import AutoModelForImageTextToText



def read_all(model):
    start = time.perf_counter()
    for p in model.parameters():
        float(p.detach().flatten()[::64].float().sum())
    return time.perf_counter() - start


start = time.perf_counter()
model = AutoModelForImageTextToText.from_pretrained(sys.argv[1], dtype=torch.bfloat16)
seconds = time.perf_counter() - start
first, again = read_all(model), read_all(model)
seconds += max(0, first - again)
held = sum(p.numel() * p.element_size() for p in model.parameters())
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"work": "load", "seconds": round(seconds, 2), "peakMemoryBytes": peak, "heldBytes": held}))
