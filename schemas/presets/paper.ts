import type { PipelineConfig } from '../config.ts';
import type { SftRun } from '../config/training.ts';
import { assumed, paper, type Sourced, type WithSources } from './sources.ts';

const details = 'implementation details';
const data = 'dataset construction';
const pytorch = "PyTorch's default, which transformers and TRL keep";
const ours = 'a setting of this project; the value changes no mathematics';

/** A local file of the user's: where it lies says nothing about the experiment. */
const place = (path: string): Sourced<string> => assumed(path, 'where the user keeps it; change it freely');

const optimizer = {
  weightDecay: assumed(0, `not stated; ${pytorch}`),
  adamEpsilon: assumed(1e-8, `not stated; ${pytorch}`),
  maxGradNorm: assumed(1, "not stated; transformers' and TRL's default"),
};

const validation = {
  validateEvery: assumed(null, 'not stated; the last step counts, so that nothing depends on validation'),
  keep: assumed('last', 'no choice among checkpoints is described'),
  patience: assumed(null, 'no early stopping is described'),
  minDelta: assumed(0, 'unused without patience'),
};

const adapter = {
  targets: assumed(
    ['language'],
    'all linear layers, but which towers is not stated; the language model alone, as LLaMA-Factory and ms-swift have it',
  ),
  dropout: assumed(0, "not stated; PEFT's default"),
  recompute: assumed(
    true,
    "not stated; TRL's default, without which rows of 8192 tokens need a large machine",
  ),
};

const expert = (seed: number): WithSources<SftRun> => ({
  ...optimizer,
  ...adapter,
  ...validation,
  rank: paper(16, details, 'LoRA of rank r = 16 on all linear layers'),
  alpha: paper(32, details, 'LoRA α = 32'),
  learningRate: paper(1e-6, details, 'learning rate 1e-6'),
  schedule: assumed('linear', "not stated; transformers' default"),
  warmupSteps: assumed(0, "not stated; transformers' default"),
  betas: assumed([0.9, 0.999], `not stated; ${pytorch}`),
  epochs: paper(3, details, '3 epochs'),
  accumulate: paper(8, details, 'batch size 1 with 8 steps of gradient accumulation'),
  lossNormalisation: assumed(
    'token',
    "not stated; transformers' Trainer divides by the window's label tokens",
  ),
  shuffle: assumed(true, "not stated; transformers' default"),
  maxTokens: assumed(8192, 'not stated; longer than any trace with its image, so that none is dropped'),
  overlong: assumed('refuse', 'not stated; nothing is left out unseen'),
  microBatchTokens: assumed(4096, ours),
  seed: assumed(seed, 'not stated'),
});

const vote = assumed(1, 'not stated; equal weights');
const common = {
  density: assumed(0.2, 'k of "top-k %" is not stated; 20 % is the value of the TIES paper'),
  trim: assumed('tensor', 'not stated; trimming within each tensor, as mergekit and PEFT do'),
  lambda: assumed(1, 'λ and η are not stated; no scaling'),
  seed: assumed(0, 'used by dare-ties alone'),
} as const;

/** The paper's pipeline, MMedExpert-R1 (arXiv 2601.10949), on one of its two bases. */
export const paperPipeline = (
  name: string,
  base: { path: string; says: string },
): WithSources<PipelineConfig> => ({
  version: assumed(1, 'version of this file format'),
  preset: assumed(name, 'name of this preset'),
  seed: assumed(0, 'not stated'),
  sources: {
    train: {
      format: paper(
        'medqa',
        data,
        '8K text cases from MedUSMLE(E), which is no public name; MedQA-USMLE English is nearest',
      ),
      path: place('data/medqa/US/train.jsonl'),
      limit: paper(8000, data, '10K cases, of which 8K are text'),
      seed: assumed(0, 'which 8K of the 10,178 is not stated'),
    },
    images: {
      format: paper('jama', data, '2K multimodal cases from JAMA Clinical Challenge'),
      path: place('data/jama'),
      limit: paper(
        2000,
        data,
        '10K cases, of which 2K are multimodal; the public list has 1,524, and a shortfall is printed',
      ),
      seed: assumed(0, 'which 2K is not stated'),
    },
    heldOut: {
      format: paper('medxpertqa', 'table 1', 'MedXpertQA-MM, whose total is the "Avg. Score" of table 3'),
      path: place('data/medxpertqa/MM'),
      seed: assumed(0, 'unused: every question is taken'),
    },
    benchmarks: {
      'pmc-vqa': {
        format: paper('pmc-vqa', 'tables 1–5', 'PMC-VQA v2'),
        path: place('data/pmc-vqa'),
        seed: assumed(0, 'unused: every question is taken'),
      },
      omnimedvqa: {
        format: paper('omnimedvqa', 'tables 1–5', 'OmniMedVQA'),
        path: place('data/omnimedvqa'),
        seed: assumed(0, 'unused: every question is taken'),
      },
      'gmai-mmbench': {
        format: paper('gmai-mmbench', 'table 5', 'GMAI-MMBench val, 18 clinical tasks'),
        path: place('data/gmai-mmbench'),
        seed: assumed(0, 'unused: every question is taken'),
      },
    },
  },
  base: {
    kind: paper('checkpoint', details, base.says),
    path: paper(base.path, details, base.says),
    minPixels: assumed(3136, "not stated; the checkpoints' own preprocessor_config.json"),
    maxPixels: paper(401_408, details, 'images of up to 401,408 pixels'),
  },
  classify: {
    rules: assumed(
      [
        { specialty: 'CAH', when: { ageYearsBelow: 18 } },
        { specialty: 'CSI', when: { topics: ['neoplasm', 'surgery', 'trauma'] } },
        { specialty: 'BS', when: { topics: ['neurology', 'psychiatry', 'eye', 'ear-nose-throat'] } },
      ],
      'the four specialties are the paper’s; how a case is assigned is not stated',
    ),
    default: assumed('AM', 'adult medicine is what remains'),
  },
  synthesize: {
    paradigms: assumed(
      'rotate',
      '10K cases gave 3.9K traces after both filters, so a case had one trace, not four',
    ),
    shards: assumed(256, ours),
    teacher: {
      model: paper('gpt-5', data, 'GPT-5 writes the traces under a guideline paradigm'),
      maxTokens: assumed(4096, 'not stated; room for a full trace and the hidden reasoning before it'),
      apiKeyEnv: assumed('OPENAI_API_KEY', ours),
      maxInFlight: assumed(8, ours),
      retries: assumed(8, ours),
    },
  },
  filter: {
    dropAnswerFirst: assumed(false, 'the first filter is the exact match of the answer alone'),
    dropContradictions: assumed(false, 'the first filter is the exact match of the answer alone'),
  },
  review: {
    kind: paper(
      'human',
      data,
      'medical professionals check that each trace adheres to its paradigm; 3.9K remain',
    ),
  },
  stratify: {
    validationShare: assumed(
      0.1,
      'not stated; no choice is ever made on a test set, so a tenth is kept aside',
    ),
    seed: assumed(0, 'not stated'),
    prompt: assumed('plain', 'the experts are described as trained on cases and traces, without guidelines'),
  },
  sft: { AM: expert(1), CAH: expert(2), BS: expert(3), CSI: expert(4), mixed: expert(5) },
  gba: {
    ...optimizer,
    ...adapter,
    ...validation,
    validateQueries: assumed(null, 'unused: nothing is validated'),
    enabled: paper(true, 'table 3', 'row "Ours"'),
    start: paper('ties', 'table 3', 'row "Ours", multi-stage: RL starts from the merged experts'),
    rank: paper(16, details, 'LoRA of rank r = 16'),
    alpha: paper(32, details, 'LoRA α = 32'),
    learningRate: assumed(1e-6, "RL's own rate is not stated; the one of SFT, which is TRL's default too"),
    schedule: assumed('constant', 'not stated'),
    warmupSteps: assumed(0, 'not stated'),
    betas: assumed([0.9, 0.999], `not stated; ${pytorch}`),
    steps: assumed(488, 'the number of epochs is not stated; one over 3.9K queries, 8 a step'),
    promptsPerStep: assumed(8, 'not stated; the accumulation window of SFT'),
    group: paper(8, 'eq. 4', 'G = 8 rollouts a query'),
    maxNewTokens: paper(1024, details, 'at most 1024 new tokens'),
    maxPromptTokens: assumed(8192, 'not stated; longer than any query with its images and a guideline'),
    overlong: assumed('refuse', 'not stated; nothing is left out unseen'),
    temperature: assumed(1, 'not stated; the distribution that is trained'),
    clip: paper(0.2, 'eq. 5', 'clip ε = 0.2'),
    clipHigh: assumed(null, 'eq. 5 clips both sides alike'),
    beta: paper(0.001, 'eq. 5', 'KL weight β = 0.001'),
    guidelineMode: assumed(
      'rotate',
      'the prompt carries guidelines; whether one or all for a query is not stated',
    ),
    rewards: {
      accuracy: assumed(1, 'diagnostic accuracy is the paper’s, its weight is not stated'),
      structure: assumed(1, 'the <think>/<answer> structure is the paper’s, its weight is not stated'),
      adherence: assumed(0, 'no reward for adherence is described'),
    },
    advantageScale: paper('group', 'eq. 4', 'Â = (r − μ) / (σ + ε) over the group'),
    advantageStd: assumed('unbiased', "not stated; TRL's"),
    advantageEpsilon: assumed(1e-4, "ε is not stated; TRL's"),
    aggregation: paper('grpo', 'eq. 5', 'the objective is normalised by the length of each rollout'),
    maskTruncated: assumed(false, "not stated; TRL's default"),
    microBatchTokens: assumed(8192, ours),
    seed: assumed(77, 'not stated'),
  },
  merge: {
    start: {
      ...common,
      method: paper(
        'ties',
        'table 3',
        'row "Ours", multi-stage; the same merge as eq. 6–7, over four vectors',
      ),
      weights: { AM: vote, CAH: vote, BS: vote, CSI: vote },
    },
    final: {
      ...common,
      method: paper(
        'ties',
        'eq. 6–7',
        'trim to the top k %, elect the sign, disjoint mean, over AM, CAH, BS, CSI and RL',
      ),
      t: assumed(0.5, 'used by slerp alone; half way'),
      weights: { AM: vote, CAH: vote, BS: vote, CSI: vote, RL: vote },
      rlVector: paper('total', 'eq. 6', 'every task vector, RL’s too, counts from the base'),
    },
  },
  evaluate: {
    models: paper(
      ['base', 'AM', 'CAH', 'BS', 'CSI', 'start', 'gba', 'final'],
      'table 3',
      'the rows that the one run makes anyway',
    ),
    prompt: assumed('plain', 'guidelines belong to the prompt of GBA; none is described for evaluation'),
    paradigms: assumed(['differential', 'intuitive', 'analytical', 'bayesian'], 'unused by the plain prompt'),
    maxNewTokens: assumed(1024, 'not stated for evaluation; the length that RL trains'),
    batchSize: assumed(32, ours),
    scorer: assumed(
      'robust',
      'the paper says "our MedEvalKit", which guesses where it cannot read an answer',
    ),
    benchmarks: paper(['pmc-vqa', 'omnimedvqa', 'gmai-mmbench'], 'tables 1–5', 'beside MedXpertQA-MM'),
  },
  compute: {
    dtype: paper('bfloat16', details, 'bf16'),
    arithmetic: assumed('auto', 'bf16 products pay only on processors made for them'),
    intraOpThreads: assumed(8, ours),
    execution: assumed('graph', ours),
  },
});
