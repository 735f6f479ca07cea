/**
 * Stage 1 of the paper's filtering: a trace is kept only if its final answer equals the gold answer. What else is dropped
 * is a setting. Nothing is guessed: a trace whose answer cannot be read is dropped as malformed.
 */
import type { z } from 'zod';
import type { Case } from '../../schemas/case.ts';
import { Filter } from '../../schemas/config/data.ts';
import type { Trace } from '../../schemas/trace.ts';

export const FilterParams = Filter;
export type FilterParams = z.infer<typeof FilterParams>;

/** Why a trace is dropped; the first that holds, in this order. */
export const FILTER_REASONS = [
  'error',
  'refusal',
  'truncated',
  'malformed',
  'answer-first',
  'wrong-answer',
  'contradiction',
] as const;
export type FilterReason = (typeof FILTER_REASONS)[number];

const STRUCTURE = /^\s*<think>([\s\S]*)<\/think>\s*<answer>\s*([A-Z])\s*<\/answer>\s*$/;
const TAGS = ['<think>', '</think>', '<answer>', '</answer>'];

/** The letter that the end of the reasoning concludes: of the option whose text or letter its last `so …` names, if any. */
function conclusion(reasoning: string, options: Case['options']): string | undefined {
  const last = /\bso\s+(?:the\s+answer\s+is\s+)?([^.;\n]+?)\s*[.;]?\s*$/i
    .exec(reasoning)?.[1]
    ?.trim()
    .toLowerCase();
  if (last === undefined) return undefined;
  return options.find(({ text, letter }) => {
    const [name, key] = [text.toLowerCase(), letter.toLowerCase()];
    return last === name || last === key || last === `${key} ${name}`;
  })?.letter;
}

/** Whether an answer is stated before the reasoning begins. */
const answersFirst = (response: string): boolean => {
  const answer = response.search(/<answer>/i);
  const think = response.search(/<think>/i);
  return answer >= 0 && (think < 0 || answer < think);
};

/** Why a trace of a case is dropped; undefined where it is kept. */
export function rejectionOf(trace: Trace, one: Case, params: FilterParams): FilterReason | undefined {
  if (trace.finishReason === 'error') return 'error';
  if (trace.finishReason === 'refusal') return 'refusal';
  if (trace.finishReason === 'length') return 'truncated';
  if (answersFirst(trace.response)) {
    if (params.dropAnswerFirst) return 'answer-first';
    return trace.answer === one.gold ? undefined : 'wrong-answer';
  }
  const parts = STRUCTURE.exec(trace.response);
  const doubled = TAGS.some((tag) => trace.response.split(tag).length !== 2);
  if (parts === null || doubled || (parts[1] ?? '').trim() === '') return 'malformed';
  if (parts[2] !== one.gold) return 'wrong-answer';
  const concluded = conclusion(parts[1] ?? '', one.options);
  if (params.dropContradictions && concluded !== undefined && concluded !== parts[2]) return 'contradiction';
  return undefined;
}

export interface Filtered {
  readonly kept: readonly Trace[];
  readonly rejected: readonly Trace[];
  /** How many were dropped, by reason, and kept, by paradigm, specialty and modality. */
  readonly counts: Readonly<Record<string, number>>;
}

/** Splits traces, in order of case and paradigm. Throws where a trace is about a case that is not there. */
export function filterTraces(
  cases: readonly Case[],
  traces: readonly Trace[],
  params: FilterParams,
): Filtered {
  const byId = new Map(cases.map((one) => [one.id, one]));
  const sorted = traces.toSorted((a, b) =>
    a.caseId === b.caseId ? a.paradigm.localeCompare(b.paradigm, 'en') : a.caseId < b.caseId ? -1 : 1,
  );
  const counts: Record<string, number> = {};
  const count = (name: string) => (counts[name] = (counts[name] ?? 0) + 1);
  const kept: Trace[] = [];
  const rejected: Trace[] = [];
  for (const trace of sorted) {
    const one = byId.get(trace.caseId);
    if (one === undefined)
      throw new Error(`trace ${trace.digest} is about ${trace.caseId}, which is not among the cases`);
    const reason = rejectionOf(trace, one, params);
    const placed = one.specialty === undefined ? trace : { ...trace, specialty: one.specialty };
    if (reason !== undefined) {
      count(`rejected.${reason}`);
      rejected.push({ ...placed, rejected: { by: 'filter', reason } });
      continue;
    }
    count(`kept.${trace.paradigm}`);
    count(`kept.${one.specialty ?? 'unclassified'}`);
    count(`kept.${one.images.length > 0 ? 'image' : 'text'}`);
    kept.push(placed);
  }
  return { kept, rejected, counts };
}
