import type { Case } from '../../schemas/case.ts';
import type { Paradigm } from '../../schemas/paradigm.ts';
import type { Trace } from '../../schemas/trace.ts';

/** A case with what a test does not care about filled in. */
export const caseWith = (fields: Partial<Case>): Case => ({
  version: 1,
  id: 'case-1',
  question: 'What is it?',
  options: ['gout', 'croup', 'burn', 'stroke'].map((text, i) => ({ letter: 'ABCD'[i]!, text })),
  gold: 'B',
  images: [],
  source: 'test',
  licence: 'CC0',
  split: 'train',
  topics: [],
  groups: {},
  mayTrain: true,
  synthetic: false,
  ...fields,
});

/** A trace with what a test does not care about filled in. The digest is made of the number. */
export const traceWith = (number: number, fields: Partial<Trace> & { paradigm?: Paradigm } = {}): Trace => ({
  version: 1,
  digest: `sha256:${String(number).padStart(64, '0')}`,
  caseId: 'case-1',
  paradigm: 'differential',
  model: 'teacher',
  response: '<think>it barks\nso croup</think><answer>B</answer>',
  finishReason: 'stop',
  answer: 'B',
  promptTokens: 1,
  completionTokens: 1,
  ...fields,
});
