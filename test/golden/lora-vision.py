"""Three AdamW steps of PEFT LoRA on the language model, the vision tower's blocks and the merger, from matrices of a closed
form, on the golden checkpoints of ../shared. Run with transformers 5.23.0, PEFT 0.21.2, PyTorch 2.15.0:
python3 lora-vision.py ../../../shared/golden > lora-vision.json"""

import json
import math
import sys

import peft
import torch
import transformers
from safetensors.torch import load_file

torch.set_num_threads(1)
RANK, ALPHA, STEPS, RATE = 4, 8, 3, 1e-3
CASES = ["image", "two-images"]
TARGETS = (
    r".*language_model\.layers\.\d+\.(self_attn\.[qkvo]_proj|mlp\.(gate|up|down)_proj)"
    r"|.*visual\.blocks\.\d+\.(attn\.(qkv|proj)|mlp\.(fc1|fc2|gate_proj|up_proj|down_proj))"
    r"|.*visual\.merger\.mlp\.[02]"
)


def canonical(key):
    key = key.replace("base_model.model.", "").replace(".default", "")
    return key.replace("model.language_model.", "model.").replace("model.visual.", "visual.")


def start(name, shape):
    """0.05 sin(s + 0.7391 i), s the sum of the name's character codes."""
    s = sum(map(ord, name))
    numbers = [0.05 * math.sin(s + 0.7391 * i) for i in range(shape[0] * shape[1])]
    return torch.tensor(numbers, dtype=torch.float64).float().reshape(shape)


def batches(folder):
    with open(f"{folder}/expected.json") as file:
        expected = json.load(file)
    tensors = load_file(f"{folder}/expected.safetensors")
    for case in expected["cases"]:
        if case["name"] not in CASES:
            continue
        prompt, answer = case["prompt_ids"], case["answer_ids"]
        ids = torch.tensor([prompt + answer])
        yield {
            "input_ids": ids,
            "labels": torch.tensor([[-100] * len(prompt) + answer]),
            "attention_mask": torch.ones_like(ids),
            "pixel_values": torch.cat([tensors[f"image{i}.pixel_values"] for i in case["images"]]),
            "image_grid_thw": torch.cat([tensors[f"image{i}.grid_thw"].reshape(1, 3) for i in case["images"]]),
        }


def run(folder):
    model = transformers.AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32)
    config = peft.LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=TARGETS)
    model = peft.get_peft_model(model, config)
    image_id = model.config.image_token_id
    trained = {canonical(k): p for k, p in model.named_parameters() if p.requires_grad}
    with torch.no_grad():
        for name, p in trained.items():
            p.copy_(start(name, p.shape))
    first = {name: p.detach().clone() for name, p in trained.items()}
    optimizer = torch.optim.AdamW(trained.values(), lr=RATE, weight_decay=0)
    rows = list(batches(folder))
    losses, gradients = [], None
    for _ in range(STEPS):
        total = 0.0
        for row in rows:
            row = {**row, "mm_token_type_ids": (row["input_ids"] == image_id).int()}
            loss = model(**row).loss / len(rows)
            loss.backward()
            total += loss.item()
        losses.append(total)
        gradients = gradients or {name: p.grad.norm().item() for name, p in trained.items()}
        optimizer.step()
        optimizer.zero_grad()
    after = {
        name: {
            "gradient": round(gradients[name], 8),
            "change": round((p.detach() - first[name]).norm().item(), 8),
            "values": [round(x, 8) for x in p.detach().flatten()[:2].tolist()],
        }
        for name, p in sorted(trained.items())
    }
    return {"losses": losses, "tensors": after}


versions = {"transformers": transformers.__version__, "peft": peft.__version__, "torch": torch.__version__}
families = {family: run(f"{sys.argv[1]}/{family}") for family in ["qwen2_vl", "qwen2_5_vl"]}
print(json.dumps({**versions, "rank": RANK, "alpha": ALPHA, "rate": RATE, "families": families}, indent=1))
