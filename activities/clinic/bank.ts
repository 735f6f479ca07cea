/**
 * The synthetic clinic's table of knowledge: which findings which condition has, in bands of likelihood that a person
 * can read and correct. Cases are drawn from it, the scripted teacher reasons by it, the rule reviewer recomputes by it.
 */
import { z } from 'zod';

const word = z.string().regex(/^[a-z]+$/, 'is one word in lower case');
const Band = z.enum(['never', 'rare', 'some', 'often', 'typical']);
const Prevalence = z.enum(['rare', 'uncommon', 'common']);
/** The four specialties, and the general conditions that the base is sound on. */
export const Pool = z.enum(['AM', 'CAH', 'BS', 'CSI', 'GEN']);
export type Pool = z.infer<typeof Pool>;

const Condition = z.strictObject({
  name: word,
  pool: Pool,
  /** What `classify` tells the specialty by, beside the age. */
  topics: z.array(z.string().min(1)).min(1),
  prevalence: Prevalence,
  /** What the drawing of this condition shows. */
  sign: word,
  /** How often each finding is seen; a finding that is not listed has the band `unlisted`. */
  findings: z.record(word, Band),
});
export type Condition = z.infer<typeof Condition>;

const Bank = z.strictObject({
  version: z.literal(1),
  synthetic: z.literal(true),
  note: z.string(),
  /** Probability that a band stands for. */
  bands: z.record(Band, z.number().gt(0).lt(1)),
  unlisted: Band,
  /** Weight of a prevalence; options are weighed against each other, so only ratios count. */
  prevalence: z.record(Prevalence, z.number().positive()),
  /** Band of seeing a condition's own sign, and another's, on its drawing. */
  sign: z.strictObject({ own: Band, other: Band }),
  /** Age in years that an age word stands for. */
  ages: z.record(word, z.number().nonnegative()),
  /** Age words of each pool's patients. */
  pools: z.record(Pool, z.array(word).min(1)),
  settings: z.array(word).min(1),
  signs: z.array(word).length(8),
  /** Findings that every specialty shares, and each specialty's own. */
  findings: z.record(z.enum(['shared', 'AM', 'CAH', 'BS', 'CSI']), z.array(word).min(1)),
  conditions: z.array(Condition).min(4),
});
export type BankFile = z.infer<typeof Bank>;

/** bank.json cannot be used. The message names the row and the field. */
export class BadBank extends Error {
  override name = 'BadBank' as const;
}

/** The table, and its conditions by name. */
export interface Bank extends BankFile {
  readonly byName: ReadonlyMap<string, Condition>;
}

function problems(bank: BankFile): string[] {
  const findings = Object.values(bank.findings).flat();
  const words = [...findings, ...bank.signs, ...bank.conditions.map(({ name }) => name)];
  const twice = words.filter((name, i) => words.indexOf(name) !== i);
  return [
    ...twice.map((name) => `${name} is named twice among findings, signs and conditions`),
    ...Object.values(bank.pools)
      .flat()
      .filter((age) => !(age in bank.ages))
      .map((age) => `pools: the age ${age} is not among ages`),
    ...bank.conditions.flatMap(({ name, sign, findings: listed }) => [
      ...(bank.signs.includes(sign) ? [] : [`${name}: the sign ${sign} is not among signs`]),
      ...Object.keys(listed)
        .filter((finding) => !findings.includes(finding))
        .map((finding) => `${name}: the finding ${finding} is not among findings`),
    ]),
  ];
}

/** Checks a parsed bank.json. Throws {@link BadBank}. */
export function readBank(json: unknown): Bank {
  const parsed = Bank.safeParse(json);
  if (!parsed.success) throw new BadBank(`bank.json: ${z.prettifyError(parsed.error)}`);
  const found = problems(parsed.data);
  if (found.length > 0) throw new BadBank(`bank.json: ${found.join('; ')}`);
  return { ...parsed.data, byName: new Map(parsed.data.conditions.map((row) => [row.name, row])) };
}

/** A condition by its name. Throws {@link BadBank}. */
export function conditionOf(bank: Bank, name: string): Condition {
  const found = bank.byName.get(name);
  if (found === undefined) throw new BadBank(`bank.json has no condition ${name}`);
  return found;
}
