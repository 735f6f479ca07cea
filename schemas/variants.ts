import type { PipelineConfig } from './config.ts';
import type { EvaluatedModel } from './config/evaluate.ts';

/** Some values of a config; an array is replaced as a whole. */
export type PartialConfig<T = PipelineConfig> = T extends readonly unknown[]
  ? T
  : T extends object
    ? { [K in keyof T]?: PartialConfig<T[K]> }
    : T;

export interface Variant {
  /** Name of the row in the paper. */
  readonly row: string;
  readonly says: string;
  readonly values: PartialConfig;
}

const only = (model: EvaluatedModel): PartialConfig => ({ evaluate: { models: [model] } });

const expert = (name: 'AM' | 'CAH' | 'BS' | 'CSI'): Variant => ({
  row: name,
  says: `the ${name} expert alone`,
  values: only(name),
});

const rl = (gba: NonNullable<PartialConfig['gba']>): PartialConfig => ({
  gba: { enabled: true, ...gba },
  ...only('gba'),
});

const ours = (final: NonNullable<NonNullable<PartialConfig['merge']>['final']>): PartialConfig => ({
  gba: { enabled: true, start: 'ties' },
  merge: { start: { method: 'ties' }, final },
  ...only('final'),
});

/**
 * The rows of the paper's ablation (table 3) and of its merging comparison, as changes to one pipeline. Each evaluates
 * its own row's model; what rows have in common, the store holds once.
 */
export const variants: Readonly<Record<string, Variant>> = {
  base: { row: 'Base', says: 'the base, untrained', values: only('base') },
  am: expert('AM'),
  cah: expert('CAH'),
  bs: expert('BS'),
  csi: expert('CSI'),
  'mixed-sft': { row: 'Mixed SFT', says: 'one expert on the union of the four sets', values: only('mixed') },
  grpo: {
    row: 'GRPO',
    says: 'RL from the base, without guidelines',
    values: rl({ start: 'base', guidelineMode: 'none' }),
  },
  gba: { row: 'GBA', says: 'RL from the base, with guidelines', values: rl({ start: 'base' }) },
  'mixed-sft-gba': {
    row: 'Mixed SFT + GBA',
    says: 'RL from the base plus the mixed expert',
    values: rl({ start: 'mixed' }),
  },
  'dsa-gba': {
    row: 'DSA + GBA',
    says: 'RL from the equal-weight mean of the four experts',
    values: rl({ start: 'mean' }),
  },
  ours: {
    row: 'Ours',
    says: 'RL from the TIES merge of the four experts, then TIES over five',
    values: ours({ method: 'ties', rlVector: 'total' }),
  },
  slerp: {
    row: 'SLERP',
    says: "Ours, whose last merge is SLERP half way from the experts' mean to RL",
    values: ours({ method: 'slerp', t: 0.5 }),
  },
  'task-arithmetic': {
    row: 'Task Arithmetic',
    says: 'Ours, whose last merge is a sum with weights of 0.2',
    values: ours({ method: 'task-arithmetic', weights: { AM: 0.2, CAH: 0.2, BS: 0.2, CSI: 0.2, RL: 0.2 } }),
  },
  ties: {
    row: 'TIES',
    says: 'Ours, under its name in the merging comparison',
    values: ours({ method: 'ties' }),
  },
};
