"""What a merge is made of, at the width of the 2B: a bfloat16 base, five random rank-16 adapters, and for mergekit each
adapter merged into the base, with its configuration: `python make-merge.py FOLDER --layers N`. Needs torch, transformers,
PEFT and `make-checkpoint.py` beside it."""

import argparse
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from transformers import Qwen2VLForConditionalGeneration

NAMES = ["AM", "CAH", "BS", "CSI", "RL"]
parser = argparse.ArgumentParser()
parser.add_argument("folder", type=Path)
parser.add_argument("--layers", type=int, default=2)
options = parser.parse_args()
folder, base = options.folder, options.folder / "base"

maker = Path(__file__).with_name("make-checkpoint.py")
sizes = ["--layers", str(options.layers), "--depth", "2"]
subprocess.run([sys.executable, maker, base, *sizes], check=True, stdout=subprocess.DEVNULL)
for i, name in enumerate(NAMES):
    torch.manual_seed(i)
    model = Qwen2VLForConditionalGeneration.from_pretrained(base, dtype=torch.bfloat16)
    lora = LoraConfig(
        r=16,
        lora_alpha=32,
        target_modules=r".*language_model.layers.*(q|k|v|o|gate|up|down)_proj",
        init_lora_weights=False,
    )
    adapted = get_peft_model(model, lora)
    adapted.save_pretrained(folder / f"adapter-{name}")
    adapted.merge_and_unload().save_pretrained(folder / name)
models = "".join(f"  - model: {folder / name}\n    parameters: {{weight: 1, density: 0.2}}\n" for name in NAMES)
(folder / "ties.yml").write_text(
    f"merge_method: ties\nbase_model: {base}\nmodels:\n{models}"
    "parameters: {normalize: true, lambda: 1.0}\ndtype: float32\nout_dtype: bfloat16\n"
)

# mergekit 0.1.5 looks for the number of layers where transformers 4 had it.
package = Path(find_spec("mergekit").submodule_search_locations[0])
architecture = package / "_data/architectures/qwen2_vl.json"
key = '"num_layers_config_key": "text_config.num_hidden_layers"'
architecture.write_text(re.sub(r'"num_layers_config_key": "[^"]*"', key, architecture.read_text(), count=1))
