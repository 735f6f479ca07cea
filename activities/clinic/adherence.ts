/**
 * Judges a trace by recomputing it from the bank: whether it argues as its paradigm demands and whether what it says is
 * so. Bands of probability may be one off, as a careful reader's may.
 */
import type { Paradigm } from '../../schemas/paradigm.ts';
import type { Bank } from './bank.ts';
import { LETTERS } from './case-text.ts';
import { PROBABILITY_BANDS, type Evidence } from './posterior.ts';
import { SCORE_WORDS } from './traces.ts';
import { reasonByBank, type OptionReasoning, type Reasoning } from './reasoning.ts';

const bandOf = (word: string | undefined): number => PROBABILITY_BANDS.findIndex((band) => band === word);
const bandWord = (band: number): string => PROBABILITY_BANDS[band] ?? '';
const sameSet = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && new Set([...a, ...b]).size === a.length;
const listed = (words: readonly string[]): string => (words.length === 0 ? 'nothing' : words.join(' '));

/** Splits words at keywords that must follow in order: `fits a b score 2` → [[a, b], [2]]; undefined where they do not. */
function fields(words: readonly string[], keywords: readonly string[]): string[][] | undefined {
  const at = keywords.map((keyword) => words.indexOf(keyword));
  if (at[0] !== 0 || at.some((place, i) => i > 0 && place <= (at[i - 1] ?? 0))) return undefined;
  return at.map((place, i) => words.slice(place + 1, at[i + 1] ?? words.length));
}

type Check = (words: readonly string[], option: OptionReasoning, concluded: boolean) => string | undefined;

const evidenceOfOption = ({ fits, sign }: OptionReasoning): string[] => [
  ...fits,
  ...(sign === null ? [] : [sign]),
];

const wrongEvidence = (said: readonly string[], option: OptionReasoning): string | undefined =>
  sameSet(said, evidenceOfOption(option))
    ? undefined
    : `says that ${listed(said)} fits, the bank ${listed(evidenceOfOption(option))}`;

const wrongBand = (what: string, said: string | undefined, band: number): string | undefined => {
  const found = bandOf(said);
  if (found < 0) return `${said ?? 'nothing'} is no band of probability`;
  return Math.abs(found - band) > 1
    ? `${what} ${said}, by the bank ${bandWord(band)}: more than one band off`
    : undefined;
};

const checks: Record<Paradigm, Check> = {
  differential(words, option) {
    const parts = fields(words, ['fits', 'score']);
    if (parts === undefined) return 'no score for what fits';
    const [said = [], score = []] = parts;
    const wrong = wrongEvidence(said, option);
    if (wrong !== undefined) return wrong;
    const right = SCORE_WORDS[option.score];
    return score.join(' ') === right ? undefined : `score ${score.join(' ')}, by the bank ${right}`;
  },
  intuitive(words, option, concluded) {
    const [strongest, verdict, ...more] = words;
    if (more.length > 0 || (verdict !== 'yes' && verdict !== 'no')) return 'not one finding and yes or no';
    if (strongest !== (option.strongest ?? 'nothing'))
      return `strongest finding ${strongest}, by the bank ${option.strongest ?? 'nothing'}`;
    return (verdict === 'yes') === concluded ? undefined : `${verdict}, against its own conclusion`;
  },
  analytical(words, option) {
    const parts = words.includes('not') ? fields(words, ['from', 'not']) : fields(words, ['from']);
    if (parts === undefined) return 'no findings to argue from';
    const [said = [], rest = []] = parts;
    const wrong = wrongEvidence(said, option);
    if (wrong !== undefined) return wrong;
    return sameSet(rest, option.rest)
      ? undefined
      : `says that ${listed(rest)} does not fit, the bank ${listed(option.rest)}`;
  },
  bayesian(words, option) {
    const parts = fields(words, ['prior', 'see', 'posterior']);
    if (parts === undefined) return 'no prior, evidence and posterior';
    const [prior = [], said = [], posterior = []] = parts;
    return (
      wrongBand('prior', prior.join(' '), option.prior) ??
      wrongEvidence(said, option) ??
      wrongBand('posterior', posterior.join(' '), option.posterior)
    );
  },
};

/** Options of the thought line by line, checked one after another. */
function wrongLines(paradigm: Paradigm, thought: readonly string[], truth: Reasoning): string | undefined {
  const [, letter, concluded] = /^so ([A-D]) (\S+)$/.exec(thought.at(-1) ?? '') ?? [];
  if (letter === undefined) return 'no conclusion';
  if (truth.options[LETTERS.findIndex((own) => own === letter)]?.name !== concluded)
    return `concludes ${letter} ${concluded}, which is no option`;
  const lines = thought.slice(0, -1);
  if (lines.length !== truth.options.length)
    return `${lines.length} lines for ${truth.options.length} options: not option by option`;
  for (const [i, option] of truth.options.entries()) {
    const [letter, name, ...words] = lines[i]?.split(' ') ?? [];
    const head = `${LETTERS[i]} ${option.name}`;
    if (`${letter} ${name}` !== head) return `line ${i + 1} is not about ${head}`;
    const wrong = checks[paradigm](words, option, option.name === concluded);
    if (wrong !== undefined) return `${head}: ${wrong}`;
  }
  return undefined;
}

/** Why a response does not adhere to its paradigm, or undefined where it does. `evidence` holds what its drawing really shows. */
export function findFault(
  bank: Bank,
  evidence: Evidence,
  paradigm: Paradigm,
  response: string,
): string | undefined {
  const thought = /<think>([\s\S]*?)<\/think>/.exec(response)?.[1];
  if (thought === undefined) return 'no <think> block';
  const lines = thought.trim().split('\n');
  const shows = /^shows (\S+)$/.exec(lines[0] ?? '')?.[1] ?? null;
  if (shows !== evidence.sign)
    return `says that the drawing shows ${shows ?? 'nothing'}, it shows ${evidence.sign ?? 'nothing'}`;
  return wrongLines(paradigm, shows === null ? lines : lines.slice(1), reasonByBank(bank, evidence));
}
