import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { Case } from '../../schemas/case.ts';
import { Decision } from '../../schemas/decision.ts';
import { Prediction } from '../../schemas/prediction.ts';
import { readBank } from '../clinic/bank.ts';
import { readRows } from '../shell/jsonl.ts';
import { defineStage } from '../stage.ts';
import { clinicBaselines } from './clinic-baselines.ts';
import { buildReport } from './report.ts';

const PREFIX = 'predictions.';

/** Models in the order that a reader expects; others after them by name. */
const ORDER = ['base', 'AM', 'CAH', 'BS', 'CSI', 'mixed', 'mean', 'start', 'gba', 'unrounded', 'final'];
const rank = (name: string): number => (ORDER.includes(name) ? ORDER.indexOf(name) : ORDER.length);

export const ReportParams = z.strictObject({
  scorer: z.string().default('robust'),
  base: z.string().default('base'),
  /** The model that the verdict is about; the last where none is named. */
  subject: z.string().optional(),
  resamples: z.int().min(100).default(2000),
  seed: z.int().nonnegative().default(0),
});

/** Sets the models side by side. With the demo's `bank` its Bayes-optimal answers stand beside them. */
export const reportStage = defineStage({
  name: 'report',
  specVersion: 1,
  params: ReportParams,
  outputs: { report: 'report' },
  determinism: 'bitwise',
  resources: 'cpu',
  code: ['activities/report/report.ts', 'activities/report/clinic-baselines.ts'],
  async run(params, io) {
    const models = Object.keys(io.inputs)
      .filter((name) => name.startsWith(PREFIX))
      .map((name) => name.slice(PREFIX.length))
      .toSorted((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
    const answers = new Map<string, Prediction[]>();
    for (const name of models)
      answers.set(
        name,
        await readRows(path.join(io.inputs[`${PREFIX}${name}`]!, 'predictions.jsonl'), Prediction),
      );
    const cases = await readRows(path.join(io.inputs['benchmark']!, 'cases.jsonl'), Case);
    const decisions = io.inputs['decisions']
      ? await readRows(path.join(io.inputs['decisions'], 'decisions.jsonl'), Decision)
      : [];
    const bank = io.inputs['bank']
      ? readBank(JSON.parse(await readFile(path.join(io.inputs['bank'], 'bank.json'), 'utf8')))
      : undefined;
    const report = buildReport(
      {
        answers,
        cases,
        baselines: bank ? clinicBaselines(bank, cases) : [],
        reviews: {
          human: decisions.filter(({ reviewer }) => reviewer.kind === 'human').length,
          rule: decisions.filter(({ reviewer }) => reviewer.kind === 'rule').length,
        },
        notes: bank
          ? [
              'the base was given a known fault on purpose: it is anchored on base rates, knows half the findings and ignores the drawing',
            ]
          : [],
      },
      { ...params, subject: params.subject },
    );
    await writeFile(path.join(io.outputs['report']!, 'report.json'), `${JSON.stringify(report, null, 1)}\n`);
    return { models: models.length, cases: cases.length, beats: report.verdict?.beats ?? null };
  },
});
