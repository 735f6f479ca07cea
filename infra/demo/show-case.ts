import sharp from 'sharp';
import type { ArtifactStore } from '../../artifacts/store.ts';
import { Case } from '../../schemas/case.ts';
import type { Digest } from '../../schemas/digest.ts';
import type { RunProgress } from '../../schemas/step.ts';
import { Trace } from '../../schemas/trace.ts';

const SHADES = ' .:-=+*#%@';
const COLUMNS = 28;
const ROWS = 14;

/** A drawing as lines of characters, the brighter the denser. */
async function sketch(png: Uint8Array): Promise<string[]> {
  const pixels = await sharp(png).greyscale().resize(COLUMNS, ROWS, { fit: 'fill' }).raw().toBuffer();
  return Array.from({ length: ROWS }, (_, y) =>
    Array.from({ length: COLUMNS }, (_, x) => {
      const shade = Math.floor(((pixels[y * COLUMNS + x] ?? 0) / 256) * SHADES.length);
      return SHADES[shade];
    }).join(''),
  );
}

const rowsOf = async <T>(
  store: ArtifactStore,
  digest: Digest,
  file: string,
  parse: (row: unknown) => T,
): Promise<T[]> =>
  Buffer.from(await store.readFile(digest, file))
    .toString('utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => parse(JSON.parse(line)));

const beside = (left: readonly string[], right: readonly string[], width: number): string[] =>
  Array.from({ length: Math.max(left.length, right.length) }, (_, i) =>
    `${(left[i] ?? '').slice(0, width).padEnd(width)}  ${right[i] ?? ''}`.trimEnd(),
  );

const traceLines = ({ paradigm, response, rejected }: Trace): string[] => [
  `[${paradigm}] ${rejected ? `REJECTED by ${rejected.by}: ${rejected.reason}` : 'accepted'}`,
  ...response
    .replace('<think>', '<think>\n')
    .split('\n')
    .map((line) => `  ${line}`),
];

/** What the rule reviewer's reasons come down to; the first that fits. */
const FAULTS: readonly (readonly [RegExp, string])[] = [
  [/more than one band off/, 'posterior more than a band off'],
  [/says that the drawing/, 'drawing misread'],
  [/says that/, 'findings misjudged'],
  [/strongest finding/, 'wrong strongest finding'],
  [/score/, 'wrong score'],
];

const faultOf = ({ by, reason }: NonNullable<Trace['rejected']>): string =>
  by === 'filter'
    ? reason
    : (FAULTS.find(([pattern]) => pattern.test(reason))?.[1] ?? 'not as its paradigm demands');

/** How often the reviewer or the filter dropped a trace, by reason. */
const caught = (traces: readonly Trace[], by: 'filter' | 'review'): string => {
  const counts = new Map<string, number>();
  for (const { rejected } of traces) {
    if (rejected?.by !== by) continue;
    const fault = faultOf(rejected);
    counts.set(fault, (counts.get(fault) ?? 0) + 1);
  }
  const listed = [...counts].toSorted((a, b) => b[1] - a[1]).map(([fault, count]) => `${count} ${fault}`);
  return listed.length > 0 ? listed.join(', ') : 'none';
};

function groupByCase(traces: readonly Trace[]): Map<string, Trace[]> {
  const groups = new Map<string, Trace[]>();
  for (const trace of traces) groups.set(trace.caseId, [...(groups.get(trace.caseId) ?? []), trace]);
  return groups;
}

/**
 * A case with its drawing and its four traces, one of them rejected where there is such a case, and what became of the
 * teacher's faults: how many were caught, by whom.
 */
export async function showCase(store: ArtifactStore, { steps }: RunProgress): Promise<string> {
  const made = (step: string, name: string) =>
    steps.find((state) => state.step === step)?.outputs[name]?.digest;
  const cases = made('classify/train', 'cases');
  const sets = [made('review', 'accepted'), made('review', 'rejected'), made('filter', 'rejected')];
  if (cases === undefined || sets.some((digest) => digest === undefined)) return '';
  const traces = (
    await Promise.all(sets.map((digest) => rowsOf(store, digest!, 'traces.jsonl', (row) => Trace.parse(row))))
  ).flat();
  const byCase = groupByCase(traces);
  const all = await rowsOf(store, cases, 'cases.jsonl', (row) => Case.parse(row));
  const interest = (one: Case): number => {
    const own = byCase.get(one.id) ?? [];
    const drawn = one.images.length > 0 ? 1 : 0;
    return (
      drawn +
      (own.length === 4 && own.filter(({ rejected }) => rejected?.by === 'review').length === 1 ? 2 : 0)
    );
  };
  const [chosen] = all.toSorted((a, b) => interest(b) - interest(a));
  if (chosen === undefined) return '';
  const [image] = chosen.images;
  const drawing = image === undefined ? [] : await sketch(await store.readFile(cases, image));
  const question = [
    chosen.question,
    ...chosen.options.map(
      ({ letter, text }) => `  ${letter} ${text}${letter === chosen.gold ? '   (right)' : ''}`,
    ),
  ];
  const own = (byCase.get(chosen.id) ?? [])
    .toSorted((a, b) => (a.paradigm < b.paradigm ? -1 : 1))
    .map(traceLines);
  const pairs: string[] = [];
  for (let i = 0; i < own.length; i += 2) pairs.push(...beside(own[i]!, own[i + 1] ?? [], 70), '');
  const kept = traces.filter(({ rejected }) => rejected === undefined).length;
  return [
    `One case of ${all.length} (${chosen.id}, specialty ${chosen.specialty}), synthetic:`,
    '',
    ...beside(drawing, question, COLUMNS + 2),
    '',
    ...pairs,
    `Of ${traces.length} traces ${kept} were kept. The filter dropped: ${caught(traces, 'filter')}.`,
    `The reviewer, a rule and no doctor, rejected: ${caught(traces, 'review')}.`,
    '',
  ].join('\n');
}
