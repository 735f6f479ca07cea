"""The same work by transformers and PEFT: `python reference.py train|rollout --model FOLDER --dtype float32|bfloat16 …`.
The options are those of `mmedexpert bench`. Prints one JSON line. Needs torch, transformers and PEFT."""

import argparse
import json
import time
import warnings

import torch
from peft import LoraConfig, get_peft_model
from transformers import Qwen2VLForConditionalGeneration

parser = argparse.ArgumentParser()
parser.add_argument("work", choices=["train", "rollout"])
parser.add_argument("--model", required=True)
parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
parser.add_argument("--rank", type=int, default=16)
parser.add_argument("--sequence", type=int, default=512)
parser.add_argument("--image", help="WIDTHxHEIGHT in pixels")
parser.add_argument("--steps", type=int, default=6)
parser.add_argument("--prompt", type=int, default=256)
parser.add_argument("--new", type=int, default=48)
parser.add_argument("--group", type=int, default=8)
parser.add_argument("--prompts", type=int, default=1)
parser.add_argument("--threads", type=int, default=2)
options = parser.parse_args()

warnings.simplefilter("ignore")
torch.manual_seed(0)
torch.set_num_threads(options.threads)
dtype = getattr(torch, options.dtype)
model = Qwen2VLForConditionalGeneration.from_pretrained(options.model, dtype=dtype)
config = model.config
words = min(config.image_token_id, config.video_token_id, config.vision_start_token_id, 600)
model = get_peft_model(
    model,
    LoraConfig(
        r=options.rank,
        lora_alpha=2 * options.rank,
        target_modules=r".*language_model.layers.*(q|k|v|o|gate|up|down)_proj",
    ),
)


def train():
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)
    ids = torch.randint(1, words, (1, options.sequence))
    inputs = {}
    if options.image:
        width, height = (int(n) // 14 for n in options.image.split("x"))
        embeddings = width * height // 4
        ids[0, 0] = config.vision_start_token_id
        ids[0, 1 : embeddings + 1] = config.image_token_id
        inputs = {
            "pixel_values": torch.full((width * height, 1176), 0.1, dtype=dtype),
            "image_grid_thw": torch.tensor([[1, height, width]]),
            "mm_token_type_ids": (ids == config.image_token_id).long(),
        }

    def step():
        model(input_ids=ids, labels=ids, **inputs).loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    for _ in range(2):
        step()
    start = time.perf_counter()
    for _ in range(options.steps):
        step()
    return options.steps * options.sequence / (time.perf_counter() - start)


@torch.no_grad()
def rollout():
    model.eval()
    ids = torch.randint(1, words, (options.prompts, options.prompt)).repeat_interleave(options.group, 0)

    def sample(count):
        return model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            do_sample=True,
            temperature=1.0,
            top_k=0,
            max_new_tokens=count,
            min_new_tokens=count,
        )

    sample(4)
    start = time.perf_counter()
    sample(options.new)
    return ids.shape[0] * options.new / (time.perf_counter() - start)


speed = {"train": train, "rollout": rollout}[options.work]()
print(json.dumps({"work": options.work, "dtype": options.dtype, "tokensPerSecond": round(speed, 1)}))
