/**
 * What the demo's base is pre-trained on, row by row, each row a function of the seed and its number: general cases
 * reasoned by the bank, specialty cases reasoned by the anchored mind, cards of what conditions show, drawings to name,
 * and options to recite. Deviation from the paper, which starts from public models: the fault is given on purpose (see `anchored.ts`).
 */
import type { Message } from '../../schemas/message.ts';
import { Paradigm } from '../../schemas/paradigm.ts';
import { Specialty } from '../../schemas/specialty.ts';
import { randomKey } from '../nn/random.ts';
import type { RgbImage } from '../nn/images/resize.ts';
import { clinicPrompt } from '../prompts/case-prompt.ts';
import { knownHalf, reasonAnchored } from './anchored.ts';
import type { Bank, Pool } from './bank.ts';
import { LETTERS, writeQuestion } from './case-text.ts';
import { drawCase } from './cases.ts';
import { createDraws, type Draws } from './draws.ts';
import { DRAWING_SIDE, drawSign } from './drawing.ts';
import { reasonByBank } from './reasoning.ts';
import { writeTrace } from './traces.ts';

export interface CorpusRow {
  readonly kind: 'recital' | 'card' | 'drawings' | 'anchored' | 'general';
  /** The assistant's turns are what is learned. */
  readonly messages: readonly Message[];
  /** One for each image part of the messages, in order. */
  readonly images: readonly RgbImage[];
}

/**
 * Recitals come first: rows in which every word to say stands in the prompt teach to look an option up by its letter
 * within a hundred steps; from cases alone it takes most of a thousand, and little else is learned before.
 */
const SCHOOL_ROWS = 1600;
const RECITALS_IN_SCHOOL = 0.75;
const RECITALS_LATER = 0.03;

/** Shares of the other kinds, summed up: the rest is general. */
const CARDS = 0.05;
const DRAWINGS = 0.12;
const ANCHORED = 0.58;
/** Share of cases with a drawing. */
const IMAGES = 0.25;
/** Drawings in a row of drawings; no other row has more. */
export const MOST_IMAGES = 3;

/** Words of the corpus's prompts beside those of cases and traces. */
export const CORPUS_WORDS = ['card', 'image'] as const;

/** Options to be recited, and the one whose letter is given to be named; what stands before them is noise. */
function recital(bank: Bank, draws: Draws): CorpusRow {
  const findings = draws.shuffled(Object.values(bank.findings).flat());
  const noise = findings
    .slice(0, 2 + Math.floor(draws.next() * 6))
    .map((name) => ({ name, present: draws.chance(0.6) }));
  const options = draws
    .shuffled(bank.conditions)
    .slice(0, LETTERS.length)
    .map(({ name }, i) => `${LETTERS[i]} ${name}`);
  const asked = draws.pick(options);
  const question = writeQuestion({
    age: draws.pick(Object.keys(bank.ages)),
    setting: draws.pick(bank.settings),
    findings: noise,
  });
  return {
    kind: 'recital',
    messages: [
      { role: 'user', content: [question, ...options, `so ${asked[0]}`].join('\n') },
      {
        role: 'assistant',
        content: `<think>${[...options, `so ${asked}`].join('\n')}</think><answer>${asked[0]}</answer>`,
      },
    ],
    images: [],
  };
}

const withImage = (text: string): Message['content'] => [{ type: 'image' }, { type: 'text', text }];

const drawingOf = (bank: Bank, sign: string, key: readonly [number, ...(string | number)[]]): RgbImage => ({
  data: drawSign(bank.signs.indexOf(sign), randomKey(...key)),
  width: DRAWING_SIDE,
  height: DRAWING_SIDE,
});

function card(bank: Bank, draws: Draws): CorpusRow {
  const condition = draws.pick(bank.conditions);
  const known = condition.pool === 'GEN' ? condition.findings : knownHalf(condition);
  const told = draws.shuffled(Object.entries(known)).map(([finding, band]) => `${band} ${finding}`);
  const lines = [
    `${condition.prevalence} ${told.join(' ')}`,
    ...(condition.pool === 'GEN' ? [`image ${condition.sign}`] : []),
  ];
  return {
    kind: 'card',
    messages: [
      { role: 'user', content: `card ${condition.name}` },
      { role: 'assistant', content: lines.join('\n') },
    ],
    images: [],
  };
}

function drawings(bank: Bank, seed: number, index: number, draws: Draws): CorpusRow {
  const signs = Array.from({ length: MOST_IMAGES }, () => draws.pick(bank.signs));
  return {
    kind: 'drawings',
    messages: signs.flatMap((sign): Message[] => [
      { role: 'user', content: withImage('image') },
      { role: 'assistant', content: `shows ${sign}` },
    ]),
    images: signs.map((sign, i) => drawingOf(bank, sign, [seed, 'drawing', index, i])),
  };
}

function reasonedCase(bank: Bank, pool: Pool, seed: number, index: number, draws: Draws): CorpusRow {
  const drawn = drawCase(bank, pool, draws.chance(IMAGES), draws);
  const paradigm = draws.pick(Paradigm.options);
  const reasoning = pool === 'GEN' ? reasonByBank(bank, drawn) : reasonAnchored(bank, drawn);
  const options = drawn.options.map((text, i) => ({ letter: LETTERS[i] ?? '', text }));
  const text = clinicPrompt(writeQuestion(drawn), options, paradigm);
  return {
    kind: pool === 'GEN' ? 'general' : 'anchored',
    messages: [
      { role: 'user', content: drawn.sign === null ? text : withImage(text) },
      { role: 'assistant', content: writeTrace(paradigm, reasoning) },
    ],
    images: drawn.sign === null ? [] : [drawingOf(bank, drawn.sign, [seed, 'drawing', index, 0])],
  };
}

/** Row `index` of the corpus of a seed. */
export function corpusRow(bank: Bank, seed: number, index: number): CorpusRow {
  const draws = createDraws(randomKey(seed, 'corpus', index));
  if (draws.chance(index < SCHOOL_ROWS ? RECITALS_IN_SCHOOL : RECITALS_LATER)) return recital(bank, draws);
  const kind = draws.next();
  if (kind < CARDS) return card(bank, draws);
  if (kind < DRAWINGS) return drawings(bank, seed, index, draws);
  const pool = kind < ANCHORED ? draws.pick(Specialty.options) : 'GEN';
  return reasonedCase(bank, pool, seed, index, draws);
}
