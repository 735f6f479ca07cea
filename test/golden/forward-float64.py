"""Logits and image embeddings of the golden cases of ../shared in float64, every 37th and every 7th number of them; rotary
frequencies stay as the model rounds them, to float32. Run with transformers 5.23.0, PyTorch 2.15.0:
python3 forward-float64.py ../../../shared/golden > forward-float64.json"""

import json
import sys

import torch
import transformers
from safetensors.torch import load_file

LOGITS, EMBEDDINGS = 37, 7
torch.set_num_threads(1)


class Widened:
    """Within, what the model's code calls float32 is float64: its norms, softmax and rotations ask for float32 by name."""

    def __enter__(self):
        self.kept = torch.float32, torch.float, torch.Tensor.float
        torch.float32 = torch.float = torch.float64
        torch.Tensor.float = torch.Tensor.double

    def __exit__(self, *_):
        torch.float32, torch.float, torch.Tensor.float = self.kept


def every(n, tensor):
    assert tensor.dtype == torch.float64
    return [round(x, 9) for x in tensor.flatten()[::n].tolist()]


def run(folder):
    model = transformers.AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32)
    model = model.double().eval()
    with open(f"{folder}/expected.json") as file:
        cases = json.load(file)["cases"]
    tensors = load_file(f"{folder}/expected.safetensors")
    found = {}
    for case in cases:
        ids = torch.tensor([case["prompt_ids"]])
        of_image = ids == model.config.image_token_id
        inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "mm_token_type_ids": of_image.int()}
        if case["images"]:
            pixels = [tensors[f"image{i}.pixel_values"] for i in case["images"]]
            inputs["pixel_values"] = torch.cat(pixels).double()
            grids = [tensors[f"image{i}.grid_thw"].reshape(1, 3) for i in case["images"]]
            inputs["image_grid_thw"] = torch.cat(grids)
        embeds = []
        take = lambda _, args, kwargs: embeds.append(kwargs["inputs_embeds"][of_image])
        hook = model.model.language_model.register_forward_pre_hook(take, with_kwargs=True)
        with torch.no_grad(), Widened():
            logits = model(**inputs).logits
        hook.remove()
        found[case["name"]] = {"logits": every(LOGITS, logits), "image_embeds": every(EMBEDDINGS, embeds[0])}
    return found


versions = {"transformers": transformers.__version__, "torch": torch.__version__}
families = {family: run(f"{sys.argv[1]}/{family}") for family in ["qwen2_vl", "qwen2_5_vl"]}
strides = {"logits": LOGITS, "image_embeds": EMBEDDINGS}
print(json.dumps({**versions, "every": strides, "families": families}))
