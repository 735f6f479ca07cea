import type { MergeReport } from '../../schemas/merge-report.ts';

export const REPORT_FILE = 'merge-report.json';
export const CARD_FILE = 'README.md';

const METHODS: Record<MergeReport['params']['method'], string> = {
  ties: 'TIES (Yadav et al. 2023), mergekit’s variant: signs elected on weighted vectors, a sum of 0 elects +, mean over the agreeing entries divided by the sum of their weights',
  'task-arithmetic': 'task arithmetic (Ilharco et al. 2023): weighted sum of task vectors',
  linear: 'weighted mean of task vectors',
  slerp: 'spherical interpolation of two models’ weights, tensor by tensor',
  'dare-ties':
    'DARE (Yu et al. 2024): entries dropped at random, the rest divided by the density; then signs elected and the agreeing entries averaged as in TIES',
};

const settingsOf = ({ params }: MergeReport): string[] => {
  const { method, density, trim, lambda, t, seed } = params;
  const kept = `density ${density}`;
  const own: Record<typeof method, string[]> = {
    ties: [kept, trim === 'tensor' ? 'trimmed within each tensor' : 'trimmed across all tensors'],
    'dare-ties': [kept, `seed ${seed}`],
    slerp: [`t ${t}`],
    linear: [],
    'task-arithmetic': [],
  };
  return [
    ...own[method],
    `λ ${lambda}`,
    `weights stored as ${params.outDtype === 'base' ? 'the base’s' : params.outDtype}`,
  ];
};

const WAYS = {
  adapter: 'base and adapter side by side',
  unrounded: 'base plus vector, unrounded',
  stored: 'this model, read again',
};

/** How far the written model's logits are from those of what was merged. */
const agreementOf = ({ agreement }: MergeReport): string => {
  if (agreement === null) return 'Its logits were not compared with those of what was merged.';
  const lines = agreement.pairs.map(
    ({ from, to, maxAbs, meanKl, sameArgmax }) =>
      `| ${WAYS[from]} | ${WAYS[to]} | ${maxAbs.toPrecision(2)} | ${meanKl.toPrecision(2)} | ${(100 * sameArgmax).toFixed(1)} % |`,
  );
  return `Logits on ${agreement.prompts} fixed prompts of ${agreement.tokens} tokens, computed in float32:

| from | to | largest difference | mean KL, nats | same likeliest token |
| --- | --- | --- | --- | --- |
${lines.join('\n')}`;
};

/** README.md of a merged model: which algorithm, in which variant, of what. */
export const mergeCard = (report: MergeReport): string => {
  const entries = report.tensors.reduce((sum, tensor) => sum + tensor.entries, 0);
  const changed = report.tensors.reduce((sum, tensor) => sum + tensor.changed * tensor.entries, 0);
  const rounding =
    report.warnings.length === 0
      ? 'No tensor loses more than half of its update to rounding.'
      : `${report.warnings.length} of ${report.tensors.length} tensors lose more than half of their update to rounding; keep the float32 vector, or store float32.`;
  return `---
library_name: transformers
tags:
  - merge
---

# Merged model

${METHODS[report.params.method]}.

Task vectors are (α/r)·B·A in float32; the merged vector is added to the base in float32 and rounded once.

- settings: ${settingsOf(report).join(', ')}
- vectors and weights: ${report.vectors.map(({ name, weight }) => `${name} ${weight}`).join(', ')}
- tensors merged: ${report.tensors.length}; entries that differ from the base: ${((100 * changed) / entries).toFixed(1)} %

${rounding} Figures for each tensor are in \`merge-report.json\`.

${agreementOf(report)}
`;
};
