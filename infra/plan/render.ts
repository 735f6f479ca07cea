import { alignColumns } from '../cli/columns.ts';
import { formatBytes } from '../cli/format-bytes.ts';
import { describeAssumption, Given, type Assumptions } from './assumptions.ts';
import type { CasesBySource, PlannedStage } from './plan.ts';
import type { Quantity } from './quantity.ts';

/** A number as people read it: three digits that count, thousands apart. */
const number = (value: number): string => {
  if (value !== 0 && value < 1) return value.toPrecision(2);
  if (value < 100) return String(Number(value.toPrecision(3)));
  return Math.round(value).toLocaleString('en-US');
};

const cellOf = (quantity: Quantity | null | undefined, show = number): string => {
  if (quantity === undefined) return '·';
  return quantity === null ? 'unknown' : `${show(quantity.value)} ${quantity.from}`;
};

/** A flag's name: `tokensPerTrace` → `--tokens-per-trace`. */
export const flagOf = (name: string): string =>
  `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

const sourceOf = (quantity: Quantity | undefined): string =>
  quantity?.note === undefined ? '' : ` (${quantity.note})`;

/** What a plan is computed from. */
interface Basis {
  readonly cases: CasesBySource;
  readonly assumed: Assumptions;
  readonly given: Given;
}

function renderCases(cases: CasesBySource): string {
  const head = ['source', 'cases', 'tokens of a question', 'images', 'their tokens'];
  const rows = Object.entries(cases).map(([name, { count, question, images, imageTokens }]) => [
    name,
    ...[count ?? null, question, images, imageTokens].map((quantity) => cellOf(quantity)),
  ]);
  const notes = Object.entries(cases).flatMap(([name, { question, imageTokens }]) => {
    const said = [...new Set([question.note, imageTokens.note].filter((note) => note !== undefined))];
    return said.length === 0 ? [] : [`  ${name}: ${said.join('; ')}`];
  });
  return [alignColumns([head, ...rows]), ...notes].join('\n');
}

const lineOf = (name: keyof Given, quantity: Quantity | null | undefined): string =>
  `  ${flagOf(name).padEnd(28)}${cellOf(quantity).padEnd(18)}${describeAssumption(name)}${sourceOf(quantity ?? undefined)}`;

function renderAssumptions({ assumed, given }: Basis): string {
  const ofCases = (Object.keys(Given.shape) as (keyof Given)[]).filter((name) => !(name in assumed));
  return [
    ...ofCases.map((name) => {
      const value = given[name];
      return lineOf(name, value === undefined ? undefined : { value, from: 'given' });
    }),
    ...(Object.keys(assumed) as (keyof Assumptions)[]).map((name) => lineOf(name, assumed[name] ?? null)),
  ].join('\n');
}

/** A plan as plain text: a line a stage, then the cases, then what was assumed and from where. */
export function renderPlan(
  stages: readonly PlannedStage[],
  basis: Basis,
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
  const unknown = stages.some(({ hours }) => hours === null);
  return [
    alignColumns([head, ...rows]),
    '',
    renderCases(basis.cases),
    '',
    'Each of these can be given; what is assumed says from where. · is known or assumed for each source, above.',
    renderAssumptions(basis),
    ...(unknown
      ? [
          '',
          'Hours are unknown without a speed: nothing was measured on this machine, and no earlier run of this store has this base and compute. Give --measure --model DIR, or --train-speed and --sample-speed.',
        ]
      : []),
    '',
    'Tokens are with those of images. Memory is for rows of these sizes whose images have base.maxPixels, and graphs run as traced.',
    ...(accelerator === 'cpu' ? ['', 'There is no GPU here: speeds are of processors.'] : []),
    '',
  ].join('\n');
}
