"""What TRL's GRPO logs of one small fixed step, into trl-metrics.json.

Run: python trl-metrics.py | npx prettier --parser json > trl-metrics.json   (TRL 1.16.0, PyTorch 2.15.0, float32)

The figures are TRL's own code, `GRPOTrainer._generate_and_score_completions` and `_compute_loss`, on rollouts, rewards
and log-probabilities that are given. All rollouts are one micro-batch, so that nothing is averaged over several.
"""

import json
from collections import defaultdict, deque
from types import SimpleNamespace

import torch
from trl import GRPOTrainer

torch.manual_seed(7)
GROUP, EOS, PAD, BETA, CLIP, CLIP_HIGH = 3, 1, 0, 0.04, 0.2, 0.3
NAMES, WEIGHTS = ["accuracy", "structure", "adherence"], [1.0, 0.5, 0.25]
PROMPTS = [[5, 6, 7]] * 3 + [[5, 6, 7, 8, 9]] * 3 + [[5]] * 3
# Of each completion its length, and whether an end token is its last.
COMPLETIONS = [(2, True), (4, False), (1, True), (4, True), (4, False), (3, True), (2, True), (3, True), (4, False)]
REWARDS = torch.tensor(
    [[1, 1, 0.2], [0, 0, 0.0], [1, 0, 0.7], [1, 1, 0.5], [1, 1, 0.5], [1, 1, 0.5], [0, 1, 0], [0, 0, 1], [1, 0, 0]],
    dtype=torch.float32,
)
LONGEST = max(length for length, _ in COMPLETIONS)
LOGPS = -torch.rand(len(COMPLETIONS), LONGEST) * 3
OLD = LOGPS + torch.randn_like(LOGPS) * 0.4
REFERENCE = LOGPS + torch.randn_like(LOGPS) * 0.3
SAMPLED = OLD + torch.randn_like(LOGPS) * 0.05
ENTROPIES = torch.rand_like(LOGPS) * 2


class OnRollouts(GRPOTrainer):
    """TRL's trainer without a model, data or devices: what the two methods read, and nothing else."""

    def __init__(self, scale, masked):
        self.model = SimpleNamespace(training=True, is_gradient_checkpointing=False)
        self.ref_model = self.model
        self.args = SimpleNamespace(
            use_bias_correction_kl=False,
            delta=None,
            steps_per_generation=1,
            gradient_accumulation_steps=1,
            per_device_train_batch_size=len(COMPLETIONS),
            report_to=[],
            gradient_checkpointing_kwargs=None,
        )
        self.accelerator = SimpleNamespace(
            device=torch.device("cpu"),
            num_processes=1,
            process_index=0,
            is_main_process=True,
            gather=lambda x: x,
            reduce=lambda x, reduction: x,
        )
        self.state = SimpleNamespace(num_input_tokens_seen=100, global_step=0)
        self._tokenizer = SimpleNamespace(
            pad_token_id=PAD, batch_decode=lambda ids, **_: [""] * len(ids), decode=lambda ids, **_: ""
        )
        self.processing_class = self._tokenizer
        self.eos_token_ids = [EOS]
        self.environment_factories = self.environments = self.tools = self.pad_to_multiple_of = None
        self.num_generations = GROUP
        self.multi_objective_aggregation, self.scale_rewards = "sum_then_normalize", scale
        self.reward_weights, self.reward_func_names = torch.tensor(WEIGHTS), NAMES
        self.mask_truncated_completions = masked
        self.use_vllm, self.vllm_importance_sampling_correction = True, True
        self.vllm_importance_sampling_mode = "token_truncate"
        self.vllm_importance_sampling_clip_min, self.vllm_importance_sampling_clip_max = None, 3.0
        self._last_loaded_step = 0
        self.num_iterations, self.beta = 1, BETA
        self.epsilon_low, self.epsilon_high = CLIP, CLIP_HIGH
        self.loss_type, self.importance_sampling_level, self.top_entropy_quantile = "grpo", "token", 1.0
        self.current_gradient_accumulation_steps = 1
        self.off_policy_mask_threshold = None
        self.aux_loss_enabled = self._entropy_bonus_enabled = False
        self._metrics = {"train": defaultdict(list)}
        self._logs = defaultdict(lambda: deque())
        self._logs["rewards"], self._logs["extra"] = defaultdict(deque), defaultdict(deque)
        self._pending_extra_logs, self._pending_metrics = defaultdict(list), defaultdict(list)
        self.passes = iter([OLD, REFERENCE, LOGPS])

    def rollout_func(self, prompts, trainer):
        ids = [[9] * (length - 1) + [EOS if ended else 9] for length, ended in COMPLETIONS]
        logprobs = [SAMPLED[row, :length].tolist() for row, (length, _) in enumerate(COMPLETIONS)]
        return {"prompt_ids": PROMPTS, "completion_ids": ids, "logprobs": logprobs}

    def _calculate_rewards(self, *_):
        return REWARDS

    def _get_per_token_logps_and_entropies(self, *_, **__):
        return next(self.passes), ENTROPIES, None


def step(scale, masked):
    trainer = OnRollouts(scale, masked)
    inputs = trainer._generate_and_score_completions([{"prompt": ""} for _ in COMPLETIONS])
    # Without the correction, which nothing here has.
    inputs.pop("importance_sampling_ratio")
    trainer.use_vllm = False
    trainer._compute_loss(trainer.model, inputs)
    logged = {name: values[-1] for name, values in trainer._metrics["train"].items()}
    return {
        "scale": scale,
        "maskTruncated": masked,
        "metrics": {name: value for name, value in logged.items() if "importance_sampling_ratio" not in name},
    }


def rounded(value):
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, list):
        return [rounded(x) for x in value]
    return {key: rounded(x) for key, x in value.items()} if isinstance(value, dict) else value


inputs = {
    "group": GROUP,
    "beta": BETA,
    "clip": CLIP,
    "clipHigh": CLIP_HIGH,
    "tokensBefore": 100,
    "weights": dict(zip(NAMES, WEIGHTS)),
    "prompts": [len(ids) for ids in PROMPTS],
    "completions": [{"length": length, "ended": ended} for length, ended in COMPLETIONS],
    "rewards": [dict(zip(NAMES, row)) for row in REWARDS.tolist()],
    "logps": LOGPS.tolist(),
    "old": OLD.tolist(),
    "reference": REFERENCE.tolist(),
    "sampled": SAMPLED.tolist(),
    "entropies": ENTROPIES.tolist(),
}
cases = [step(scale, masked) for scale in ("group", "batch", "none") for masked in (False, True)]
lines = ",\n  ".join(json.dumps(rounded(case)) for case in cases)
print(f'{{"inputs": {json.dumps(rounded(inputs))},\n"cases": [\n  {lines}\n]}}')
