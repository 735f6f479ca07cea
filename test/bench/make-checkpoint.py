"""A Qwen2-VL checkpoint of the 2B's geometry with random bfloat16 weights, written a megabyte at a time:
`python make-checkpoint.py FOLDER [--layers 28] [--depth 32]`. Needs numpy."""

import argparse
import json
import math
from pathlib import Path

import numpy as np

parser = argparse.ArgumentParser()
parser.add_argument("folder", type=Path)
parser.add_argument("--layers", type=int, default=28)
parser.add_argument("--depth", type=int, default=32, help="blocks of the vision tower")
options = parser.parse_args()

VOCABULARY, HIDDEN, MLP, HEADS, KV_HEADS = 151936, 1536, 8960, 12, 2
EMBED, VISION_MLP, MERGED = 1280, 5120, 5120
KV = KV_HEADS * HIDDEN // HEADS

shapes = {"model.embed_tokens.weight": [VOCABULARY, HIDDEN], "model.norm.weight": [HIDDEN]}
for i in range(options.layers):
    layer = f"model.layers.{i}"
    for name, (outputs, inputs) in {
        "self_attn.q_proj": (HIDDEN, HIDDEN),
        "self_attn.k_proj": (KV, HIDDEN),
        "self_attn.v_proj": (KV, HIDDEN),
        "self_attn.o_proj": (HIDDEN, HIDDEN),
        "mlp.gate_proj": (MLP, HIDDEN),
        "mlp.up_proj": (MLP, HIDDEN),
        "mlp.down_proj": (HIDDEN, MLP),
    }.items():
        shapes[f"{layer}.{name}.weight"] = [outputs, inputs]
        if name[-6:] in ("q_proj", "k_proj", "v_proj"):
            shapes[f"{layer}.{name}.bias"] = [outputs]
    shapes[f"{layer}.input_layernorm.weight"] = [HIDDEN]
    shapes[f"{layer}.post_attention_layernorm.weight"] = [HIDDEN]
shapes["visual.patch_embed.proj.weight"] = [EMBED, 3, 2, 14, 14]


def linear(name, outputs, inputs):
    shapes[f"{name}.weight"] = [outputs, inputs]
    shapes[f"{name}.bias"] = [outputs]


for i in range(options.depth):
    block = f"visual.blocks.{i}"
    for norm in ("norm1", "norm2"):
        shapes[f"{block}.{norm}.weight"] = [EMBED]
        shapes[f"{block}.{norm}.bias"] = [EMBED]
    linear(f"{block}.attn.qkv", 3 * EMBED, EMBED)
    linear(f"{block}.attn.proj", EMBED, EMBED)
    linear(f"{block}.mlp.fc1", VISION_MLP, EMBED)
    linear(f"{block}.mlp.fc2", EMBED, VISION_MLP)
shapes["visual.merger.ln_q.weight"] = [EMBED]
shapes["visual.merger.ln_q.bias"] = [EMBED]
linear("visual.merger.mlp.0", MERGED, MERGED)
linear("visual.merger.mlp.2", HIDDEN, MERGED)

header, end = {"__metadata__": {"format": "pt"}}, 0
for name in sorted(shapes):
    size = 2 * math.prod(shapes[name])
    header[name] = {"dtype": "BF16", "shape": shapes[name], "data_offsets": [end, end + size]}
    end += size
text = json.dumps(header, separators=(",", ":")).encode()
text += b" " * (-len(text) % 8)

options.folder.mkdir(parents=True, exist_ok=True)
# The same million numbers again and again: what is measured does not depend on them.
numbers = np.random.default_rng(0).standard_normal(1 << 20, dtype=np.float32) * np.float32(0.02)
block = (numbers.view(np.uint32) >> 16).astype(np.uint16).tobytes()
with open(options.folder / "model.safetensors", "wb") as file:
    file.write(len(text).to_bytes(8, "little"))
    file.write(text)
    for at in range(0, end, len(block)):
        file.write(block[: end - at])

text_config = {
    "model_type": "qwen2_vl_text", "hidden_size": HIDDEN, "intermediate_size": MLP,
    "num_hidden_layers": options.layers, "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS,
    "vocab_size": VOCABULARY, "rms_norm_eps": 1e-6, "rope_theta": 1e6, "max_position_embeddings": 32768,
    "rope_scaling": {"type": "mrope", "mrope_section": [16, 24, 24]}, "hidden_act": "silu",
    "tie_word_embeddings": True, "bos_token_id": 151643, "eos_token_id": 151645,
}
config = {
    "architectures": ["Qwen2VLForConditionalGeneration"], "model_type": "qwen2_vl", "torch_dtype": "bfloat16",
    **{key: value for key, value in text_config.items() if key != "model_type"},
    "vision_config": {
        "model_type": "qwen2_vl", "depth": options.depth, "embed_dim": EMBED, "hidden_size": HIDDEN,
        "num_heads": 16, "mlp_ratio": 4, "in_channels": 3, "in_chans": 3, "patch_size": 14,
        "spatial_merge_size": 2, "temporal_patch_size": 2, "hidden_act": "quick_gelu",
    },
    "image_token_id": 151655, "video_token_id": 151656,
    "vision_start_token_id": 151652, "vision_end_token_id": 151653, "vision_token_id": 151654,
}
(options.folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
print(json.dumps({"folder": str(options.folder), "bytes": 8 + len(text) + end}))
