"""The 80 M Qwen2-VL of the benchmarks, random, in bfloat16: `python make-80m.py FOLDER`. Needs torch and transformers."""

import json
import sys

import torch
from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration

torch.manual_seed(0)
text = {
    "vocab_size": 16384, "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 8,
    "num_attention_heads": 12, "num_key_value_heads": 2, "rope_theta": 1e6, "max_position_embeddings": 4096,
    "rope_scaling": {"type": "mrope", "mrope_section": [8, 12, 12]}, "tie_word_embeddings": True,
    "bos_token_id": 600, "eos_token_id": 602, "pad_token_id": 600,
}
config = Qwen2VLConfig(
    text_config=text,
    vision_config={"depth": 2, "embed_dim": 64, "num_heads": 4, "hidden_size": 768},
    image_token_id=612,
    video_token_id=613,
    vision_start_token_id=609,
    vision_end_token_id=610,
    tie_word_embeddings=True,
)
model = Qwen2VLForConditionalGeneration(config).to(torch.bfloat16)
model.save_pretrained(sys.argv[1])
print(json.dumps({"folder": sys.argv[1], "parameters": sum(p.numel() for p in model.parameters())}))
