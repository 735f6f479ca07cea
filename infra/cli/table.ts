/** Reports as plain text: the table that a run ends with, and what `evaluate` prints. */
import type {
  Baseline,
  Cell,
  ComparedModel,
  ComparisonReport,
  EvaluationReport,
  Report,
} from '../../schemas/report.ts';
import { cellText, shareText } from './cell-text.ts';
import { alignColumns } from './columns.ts';

const SPECIALTIES = ['AM', 'CAH', 'BS', 'CSI'] as const;
const PARADIGMS = ['differential', 'intuitive', 'analytical', 'bayesian'] as const;
const NONE = '·';

const two = (value: number): string => value.toFixed(2).replace(/^(-?)0\./, '$1.');
const signed = (value: number): string => (value < 0 ? '−' : '+') + shareText(Math.abs(value));
const interval = (cell: Cell): string => `${two(cell.accuracy)} ${two(cell.low)}–${two(cell.high)}`;
const pText = (p: number): string => (p < 1e-3 ? p.toExponential(0) : p.toFixed(3).replace(/^0/, ''));

/** A group's accuracy with its interval; a dot where nothing was asked. */
const groupCell = (model: ComparedModel, scorer: string, field: string, value: string): string => {
  const cell = model.sections[scorer]?.groups[field]?.[value];
  return cell && cell.answers > 0 ? interval(cell) : NONE;
};

const baselineCell = (baseline: Baseline, field: string, value: string): string => {
  const share = baseline.groups[field]?.[value];
  return share === undefined ? NONE : two(share);
};

/** Values of a field that any model has, the known ones first in their order. */
function valuesOf(report: ComparisonReport, field: string, known: readonly string[]): string[] {
  const found = new Set(
    report.models.flatMap((model) => Object.keys(model.sections[report.scorer]?.groups[field] ?? {})),
  );
  return [
    ...known.filter((value) => found.has(value)),
    ...[...found].filter((value) => !known.includes(value)),
  ];
}

function overallTable(report: ComparisonReport): string {
  const { scorer } = report;
  const rows = report.models.map((model) => {
    const [strict, chosen] = [model.sections['strict-tags']?.overall, model.sections[scorer]?.overall];
    const against = model.versusBase?.[scorer];
    return [
      model.name,
      strict ? interval(strict) : NONE,
      chosen ? interval(chosen) : NONE,
      against ? `${signed(against.difference)} ${signed(against.low)}…${signed(against.high)}` : NONE,
      against ? pText(against.p) : NONE,
      against ? pText(against.adjustedP) : NONE,
      String(chosen?.unparsed ?? 0),
    ];
  });
  const baselines = report.baselines.map(({ name, overall }) => [
    name,
    two(overall),
    two(overall),
    NONE,
    NONE,
    NONE,
    NONE,
  ]);
  const head = ['model', 'strict-tags', scorer, `minus ${report.base}`, 'p', 'p (Holm)', 'unparsed'];
  return alignColumns([head, ...rows, ...baselines]);
}

/** One column for each value of each field. */
function groupTable(
  report: ComparisonReport,
  columns: readonly (readonly [field: string, value: string])[],
): string {
  const rows = report.models.map((model) => [
    model.name,
    ...columns.map(([field, value]) => groupCell(model, report.scorer, field, value)),
  ]);
  const shown = report.baselines.filter(({ groups }) => columns.some(([field]) => groups[field]));
  const baselines = shown.map((baseline) => [
    baseline.name,
    ...columns.map(([field, value]) => baselineCell(baseline, field, value)),
  ]);
  return alignColumns([['model', ...columns.map(([, value]) => value)], ...rows, ...baselines]);
}

/** Image cases asked with and without their image. */
function blindTable(report: ComparisonReport): string {
  const rows = report.models.flatMap((model) => {
    const blind = model.imageBlind?.[report.scorer]?.overall;
    const seen = model.sections[report.scorer]?.groups['modality']?.['image'];
    return blind && seen ? [[model.name, interval(seen), interval(blind)]] : [];
  });
  return rows.length === 0 ? '' : alignColumns([['image cases', 'with image', 'image-blind'], ...rows]);
}

/** Base → subject in every combination of specialty, modality and paradigm. */
function crossTable(report: ComparisonReport, subject: string): string {
  const paradigms = valuesOf(report, 'paradigm', PARADIGMS);
  const cellAt = (model: string, row: readonly string[], paradigm: string): Cell | undefined =>
    report.cross.find(
      (one) =>
        one.model === model &&
        one.scorer === report.scorer &&
        one.specialty === row[0] &&
        one.modality === row[1] &&
        one.paradigm === paradigm,
    )?.cell;
  const rows = valuesOf(report, 'specialty', SPECIALTIES).flatMap((specialty) =>
    valuesOf(report, 'modality', ['image', 'text']).flatMap((modality) => {
      const key = [specialty, modality];
      const cells = paradigms.map((paradigm) => {
        const [from, to] = [cellAt(report.base, key, paradigm), cellAt(subject, key, paradigm)];
        return from && to ? `${two(from.accuracy)} → ${two(to.accuracy)}` : NONE;
      });
      const first = paradigms.map((paradigm) => cellAt(subject, key, paradigm)?.answers ?? 0);
      return Math.max(0, ...first) === 0
        ? []
        : [[`${specialty}, ${modality}`, String(Math.max(...first)), ...cells]];
    }),
  );
  if (rows.length === 0) return '';
  return alignColumns([[`${report.base} → ${subject}`, 'cases', ...paradigms], ...rows]);
}

function renderComparison(report: ComparisonReport): string {
  const { benchmark, honesty, verdict } = report;
  const asked = benchmark.cases - benchmark.absent;
  const ways = benchmark.paradigms.filter((paradigm) => paradigm !== null).length;
  const title =
    `Accuracy on ${asked} ${benchmark.synthetic ? 'SYNTHETIC ' : ''}held-out cases` +
    (ways > 0 ? `, each asked under ${ways} paradigm${ways > 1 ? 's' : ''}` : '') +
    (benchmark.absent > 0 ? `; ${benchmark.absent} more are absent` : '') +
    '. Intervals are 95 %.';
  const specialties = valuesOf(report, 'specialty', SPECIALTIES).map(
    (value) => ['specialty', value] as const,
  );
  const modalities = valuesOf(report, 'modality', ['image', 'text']).map(
    (value) => ['modality', value] as const,
  );
  const paradigms = valuesOf(report, 'paradigm', PARADIGMS).map((value) => ['paradigm', value] as const);
  const by = `By the ${report.scorer} scorer:`;
  const parts = [
    title,
    overallTable(report),
    `${by}\n${groupTable(report, [...specialties, ...modalities])}`,
    paradigms.length > 1 ? groupTable(report, paradigms) : '',
    blindTable(report),
    verdict ? crossTable(report, verdict.model) : '',
    report.baselines.map(({ name, about }) => `${name}: ${about}`).join('\n'),
    report.tests,
    verdict?.sentence ?? '',
    honesty.notes.map((note) => `! ${note}`).join('\n'),
  ];
  return parts.filter((part) => part !== '').join('\n\n');
}

function renderEvaluation(report: EvaluationReport): string {
  const { benchmark } = report;
  const lines = [
    `${benchmark.cases - benchmark.absent} of ${benchmark.cases} ${benchmark.synthetic ? 'SYNTHETIC ' : ''}cases asked` +
      (benchmark.absent > 0 ? `, ${benchmark.absent} absent: an image of theirs is not there` : ''),
    ...Object.entries(report.sections).map(([scorer, { overall }]) => `${scorer}: ${cellText(overall)}`),
    ...Object.entries(report.imageBlind ?? {}).map(
      ([scorer, { overall }]) => `${scorer}, image-blind: ${cellText(overall)}`,
    ),
    ...report.baselines.map(({ name, overall, about }) => `${name}: ${shareText(overall)} (${about})`),
  ];
  const groups = Object.entries(report.sections[report.scorer]?.groups ?? {}).map(([field, values]) =>
    [
      `\n${field}, by ${report.scorer}`,
      ...Object.entries(values).map(([value, cell]) => `  ${value}: ${cellText(cell)}`),
    ].join('\n'),
  );
  return [...lines, ...groups].join('\n');
}

/** A report as text, without a line end behind it. */
export const renderTable = (report: Report): string =>
  report.kind === 'comparison' ? renderComparison(report) : renderEvaluation(report);
