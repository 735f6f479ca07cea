import { Option, type Command } from 'commander';
import { cellOf, sectionOf } from '../../activities/evaluate/aggregate.ts';
import type { Reading } from '../../activities/evaluate/scorers/profile.ts';
import { PROFILES, profileNamed, readResponse } from '../../activities/evaluate/scorers/profiles.ts';
import { readJsonl } from '../../activities/shell/jsonl.ts';
import { ScoreRow } from '../../schemas/score-row.ts';
import { cellText } from './cell-text.ts';

interface ScoreOptions {
  readonly profile: string;
  readonly predictions: string;
  readonly group?: string[];
  readonly json?: boolean;
}

/** A row as it was read. */
interface ScoredRow extends Reading {
  readonly id: string;
  readonly truncated: boolean;
  readonly groups: Readonly<Record<string, string>>;
}

const idOf = (row: ScoreRow, number: number): string =>
  String(row.id ?? (row.caseId === undefined ? number : [row.caseId, row.paradigm ?? []].flat().join('/')));

/** A row's value of a grouping field, its own or one of its `groups`; undefined where it has neither. */
const groupOf = (row: ScoreRow, field: string): string | undefined => {
  const value = row[field] ?? row.groups?.[field];
  if (value === undefined || value === null) return undefined;
  return typeof value === 'string' ? value : JSON.stringify(value);
};

async function score(options: ScoreOptions, command: Command): Promise<void> {
  const profile = profileNamed(options.profile);
  const fields = options.group ?? [];
  const rows: ScoredRow[] = [];
  for await (const row of readJsonl(options.predictions, ScoreRow)) {
    const truncated = (row.finishReason ?? row['finish_reason']) === 'length';
    const reading = readResponse(profile, row.response, row, truncated);
    const groups = fields.flatMap((field) => {
      const value = groupOf(row, field);
      return value === undefined ? [] : [[field, value] as const];
    });
    rows.push({ id: idOf(row, rows.length), ...reading, truncated, groups: Object.fromEntries(groups) });
  }
  const counted = rows.map((row) => ({ ...row, parsed: row.letter !== null }));
  const missing = fields.find(
    (field) => rows.length > 0 && rows.every((row) => row.groups[field] === undefined),
  );
  if (missing !== undefined)
    command.error(`error: no row of ${options.predictions} has the field "${missing}"`);
  const section = sectionOf(counted, fields);
  if (options.json) {
    const document = {
      profile: profile.name,
      ...section,
      rows: rows.map(({ groups: _groups, ...row }) => row),
    };
    process.stdout.write(`${JSON.stringify(document)}\n`);
    return;
  }
  process.stdout.write(`${profile.name}: ${cellText(cellOf(counted))}\n`);
  for (const [field, values] of Object.entries(section.groups)) {
    process.stdout.write(`\n${field} (macro ${section.macro[field]!.toFixed(3)})\n`);
    for (const [value, cell] of Object.entries(values))
      process.stdout.write(`  ${value}: ${cellText(cell)}\n`);
  }
}

export const register = (program: Command): void => {
  program
    .command('score')
    .description('score predictions made anywhere, row by row and in total')
    .addOption(
      new Option('--profile <name>', 'how letters are read')
        .choices(PROFILES.map(({ name }) => name))
        .makeOptionMandatory(),
    )
    .requiredOption('--predictions <file>', 'JSONL rows with response, options (list or map) and gold')
    .option('--group <field...>', 'also in total by the values of these fields')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `\nProfiles:\n${PROFILES.map(({ name, about }) => `  ${name.padEnd(16)}${about}`).join('\n')}`,
    )
    .action((options: ScoreOptions, command: Command) => score(options, command));
};
