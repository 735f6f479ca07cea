"""Loss, gradient and metrics of TRL's GRPO on one small fixed step, into trl-grpo.json.

Run: python trl-grpo.py | npx prettier --parser json > trl-grpo.json   (TRL 1.16.0, PyTorch 2.15.0, float64)

The loss is TRL's own code, `GRPOTrainer._compute_loss`, with logits in the place of a model's. A query's group is one
micro-batch, so that an optimizer step accumulates as many as there are groups. Rows are right-padded; a completion
of `left_out` is cut at the longest length and masked, as `mask_truncated_completions` does.
"""

import json
from collections import defaultdict
from types import SimpleNamespace

import torch
from trl import GRPOTrainer
from trl.trainer.utils import entropy_from_logits, selective_log_softmax

torch.manual_seed(3)
GROUP, VOCABULARY, LONGEST, ROOM = 3, 5, 4, 6
COUNTS = [2, 4, 1, 3, 4, 2]
ROWS = len(COUNTS)
LOGITS = torch.randn(ROWS, LONGEST, VOCABULARY, dtype=torch.float64) * 2
LABELS = torch.randint(0, VOCABULARY, (ROWS, LONGEST))
ADVANTAGES = torch.tensor([1.1, -0.8, -0.3, 0.6, -1.2, 0.7], dtype=torch.float64)
LOGPS = selective_log_softmax(LOGITS, LABELS)
# Ratios lie below, inside and above the clip.
OLD = LOGPS + torch.randn_like(LOGPS) * 0.4
REFERENCE = LOGPS + torch.randn_like(LOGPS) * 0.3
CLIP, CLIP_HIGH = 0.2, 0.3


class OnLogits(GRPOTrainer):
    """TRL's trainer without a model, data or devices: what `_compute_loss` reads, and nothing else."""

    def __init__(self, loss_type, beta):
        self.model = SimpleNamespace(training=True)
        self.args = SimpleNamespace(use_bias_correction_kl=False, delta=None, steps_per_generation=ROWS // GROUP)
        self.accelerator = SimpleNamespace(num_processes=1, gather=lambda x: x, reduce=lambda x, reduction: x)
        self.loss_type, self.beta = loss_type, beta
        self.epsilon_low, self.epsilon_high = CLIP, CLIP_HIGH
        self.max_completion_length = ROOM
        self.current_gradient_accumulation_steps = ROWS // GROUP
        self.importance_sampling_level, self.top_entropy_quantile = "token", 1.0
        self.off_policy_mask_threshold, self.use_vllm = None, False
        self.aux_loss_enabled = self._entropy_bonus_enabled = False
        self._metrics = {"train": defaultdict(list)}

    def _get_per_token_logps_and_entropies(self, model, input_ids, *_, **__):
        labels = input_ids[:, -LONGEST:]
        return selective_log_softmax(model, labels), entropy_from_logits(model).detach(), None


def step(loss_type, beta, on_policy, left_out):
    counts = [0 if row in left_out else n for row, n in enumerate(COUNTS)]
    mask = torch.tensor([[float(i < n) for i in range(LONGEST)] for n in counts], dtype=torch.float64)
    logits = LOGITS.clone().requires_grad_()
    trainer = OnLogits(loss_type, beta)
    total = 0
    for start in range(0, ROWS, GROUP):
        rows = slice(start, start + GROUP)
        inputs = {
            "prompt_ids": torch.zeros(GROUP, 1, dtype=torch.int64),
            "prompt_mask": torch.ones(GROUP, 1),
            "completion_ids": LABELS[rows],
            "completion_mask": mask[rows],
            "advantages": ADVANTAGES[rows],
            "num_items_in_batch": mask.sum(),
            "ref_per_token_logps": REFERENCE[rows],
        }
        if not on_policy:
            inputs["old_per_token_logps"] = OLD[rows]
        loss = trainer._compute_loss(logits[rows], inputs)
        loss.backward()
        total += loss.item()
    held = [logits.grad[row, :n].flatten().tolist() for row, n in enumerate(counts)]
    tokens = [sum(counts[start : start + GROUP]) for start in range(0, ROWS, GROUP)]

    def mean(name):
        return sum(x * n for x, n in zip(trainer._metrics["train"][name], tokens)) / sum(tokens)

    names = ["entropy", "clip_ratio/low_mean", "clip_ratio/high_mean", "clip_ratio/region_mean"]
    return {
        "aggregation": loss_type,
        "beta": beta,
        "onPolicy": on_policy,
        "leftOut": left_out,
        "loss": total,
        "metrics": {name: mean(name) for name in names + (["kl"] if beta else [])},
        "gradient": [x for row in held for x in row],
    }


def rounded(value):
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, list):
        return [rounded(x) for x in value]
    return {key: rounded(x) for key, x in value.items()} if isinstance(value, dict) else value


KINDS = ["grpo", "bnpo", "dr_grpo", "dapo"]
cases = [step(kind, beta, False, []) for kind in KINDS for beta in (0.0, 0.04)]
cases += [step(kind, 0.04, True, []) for kind in KINDS]
cases += [step(kind, 0.04, False, [1]) for kind in KINDS]
inputs = {
    "group": GROUP,
    "maxNewTokens": ROOM,
    "clip": CLIP,
    "clipHigh": CLIP_HIGH,
    "counts": COUNTS,
    "advantages": ADVANTAGES.tolist(),
    "labels": LABELS.tolist(),
    "logits": LOGITS.tolist(),
    "old": OLD.tolist(),
    "reference": REFERENCE.tolist(),
}
lines = ",\n  ".join(json.dumps(rounded(case)) for case in cases)
print(f'{{"inputs": {json.dumps(rounded(inputs))},\n"cases": [\n  {lines}\n]}}')
