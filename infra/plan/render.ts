import { alignColumns } from '../cli/columns.ts';
import { formatBytes } from '../cli/format-bytes.ts';
import { describeAssumption, type Assumptions, type Given } from './assumptions.ts';
import type { PlannedStage } from './plan.ts';
import type { Quantity } from './quantity.ts';

/** A number as people read it: three digits that count, thousands apart. */
const number = (value: number): string => {
  if (value !== 0 && value < 1) return value.toPrecision(2);
  if (value < 100) return String(Number(value.toFixed(1)));
  return Math.round(value).toLocaleString('en-US');
};

const cellOf = (quantity: Quantity | null | undefined, show = number): string => {
  if (quantity === undefined) return '·';
  return quantity === null ? 'unknown' : `${show(quantity.value)} ${quantity.from}`;
};

/** A flag's name: `tokensPerTrace` → `--tokens-per-trace`. */
export const flagOf = (name: string): string =>
  `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

/** A plan as plain text: a line a stage, then what was assumed. */
export function renderPlan(
  stages: readonly PlannedStage[],
  assumed: Assumptions,
  accelerator: 'cpu' | 'cuda',
): string {
  const head = [
    'step',
    'items',
    'tokens',
    'steps',
    'peak memory',
    accelerator === 'cuda' ? 'GPU-hours' : 'hours',
    'cost',
    'physician-hours',
  ];
  const rows = stages.map((stage) => [
    stage.step,
    cellOf(stage.items),
    cellOf(stage.tokens),
    cellOf(stage.steps),
    cellOf(stage.peakMemory, formatBytes),
    cellOf(stage.hours),
    cellOf(stage.cost),
    cellOf(stage.physicianHours),
  ]);
  const assumptions = (Object.keys(assumed) as (keyof Given)[]).map((name) => [
    `  ${flagOf(name)}`,
    cellOf(assumed[name] ?? null),
    ` ${describeAssumption(name)}`,
  ]);
  const unknown = stages.some(({ hours }) => hours === null);
  return [
    alignColumns([head, ...rows]),
    '',
    'Each of these can be given:',
    assumptions.map(([flag, value, about]) => `${flag?.padEnd(30)}${value?.padEnd(18)}${about}`).join('\n'),
    ...(unknown
      ? [
          '',
          'Hours are unknown without a speed: give --measure --model DIR, or --train-speed and --sample-speed.',
        ]
      : []),
    '',
    'Tokens are without those of images; memory is with them, for rows of these sizes and graphs run as traced.',
    ...(accelerator === 'cpu'
      ? [
          '',
          'There is no GPU here: measured speeds and those of earlier runs are of this machine’s processor.',
        ]
      : []),
    '',
  ].join('\n');
}
