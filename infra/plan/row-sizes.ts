import type { PipelineConfig } from '../../schemas/config.ts';
import type { Assumptions } from './assumptions.ts';
import type { PlannedCases } from './cases.ts';
import { combine, total } from './quantity.ts';
import type { Quantity } from './quantity.ts';

/** Tokens of what is trained on, on average over the sources to learn from. */
export interface RowSizes {
  readonly question: Quantity | undefined;
  /** Images of a case. */
  readonly images: Quantity | undefined;
  readonly imageTokens: Quantity | undefined;
  /** A training row: question, images, guideline where one guides, trace. */
  readonly row: Quantity | undefined;
  /** A query of RL: question, images, guideline where one guides. */
  readonly prompt: Quantity | undefined;
}

const NONE: Quantity = { value: 0, from: 'config' };

/** The mean over the cases of several sources. */
function meanOf(
  sources: readonly PlannedCases[],
  of: (cases: PlannedCases) => Quantity,
): Quantity | undefined {
  const [first] = sources;
  if (sources.length === 1 && first !== undefined) return of(first);
  const sum = total(...sources.map((cases) => combine((n, each) => n * each, cases.count, of(cases))));
  return combine((all, n) => (n === 0 ? 0 : all / n), sum, total(...sources.map(({ count }) => count)));
}

export function rowSizes(
  { stratify, gba }: Pick<PipelineConfig, 'stratify' | 'gba'>,
  taught: readonly PlannedCases[],
  assumed: Assumptions,
): RowSizes {
  const question = meanOf(taught, (cases) => cases.question);
  const imageTokens = meanOf(taught, (cases) => cases.imageTokens);
  const guided = stratify.prompt === 'guided' ? assumed.tokensPerGuideline : NONE;
  const guideline = gba.guidelineMode === 'none' ? NONE : assumed.tokensPerGuideline;
  return {
    question,
    images: meanOf(taught, (cases) => cases.images),
    imageTokens,
    row: total(question, imageTokens, guided, assumed.tokensPerTrace),
    prompt: total(question, imageTokens, guideline),
  };
}
