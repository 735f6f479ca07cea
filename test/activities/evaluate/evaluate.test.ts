import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  evaluateStage,
  RoundedVector,
  runEvaluate,
  type EvaluateIo,
} from '../../../activities/evaluate/activity.ts';
import { questionsOf } from '../../../activities/evaluate/questions.ts';
import { readBenchmark } from '../../../activities/shell/benchmark-folder.ts';
import { readRows } from '../../../activities/shell/jsonl.ts';
import { Case } from '../../../schemas/case.ts';
import { EvaluateParams } from '../../../schemas/evaluate-params.ts';
import { Prediction } from '../../../schemas/prediction.ts';
import { EvaluationReport } from '../../../schemas/report.ts';
import { hasShared, shared } from '../../_shared.ts';
import { inFloat32 } from '../_compute.ts';

const caseAt = (i: number, images: string[] = []): Case =>
  Case.parse({
    version: 1,
    id: `case-${i}`,
    question: `A patient of ${20 + i} years has a fever${' and a cough'.repeat(i)}. What is it?`,
    options: ['flu', 'gout', 'asthma'].map((text, k) => ({ letter: 'ABC'[k], text })),
    gold: 'ABC'[i % 3],
    images,
    source: 'test',
    licence: 'none',
    split: 'test',
    specialty: 'AM',
    synthetic: true,
  });

/** A stage's surroundings that keep nothing and say nothing. */
const quiet = (changes: Partial<EvaluateIo> = {}): EvaluateIo => ({
  compute: inFloat32,
  resume: undefined,
  checkpoint: () => Promise.resolve(),
  progress: () => {},
  log: () => {},
  signal: new AbortController().signal,
  ...changes,
});

describe('questions', () => {
  const text = { case: caseAt(0), images: [] };
  const image = { case: caseAt(1, ['images/a.png']), images: ['/x/images/a.png'] };
  const lost = { case: caseAt(2, ['images/b.png']), images: null };
  const ids = (settings: object) =>
    questionsOf([text, image, lost], EvaluateParams.parse(settings)).map((question) => question.id);

  it('are one a case by the plain prompt, image cases once more without their images', () => {
    expect(ids({})).toEqual(['case-0/plain', 'case-1/plain', 'case-1/plain/blind']);
    expect(ids({ blind: 'no' })).toEqual(['case-0/plain', 'case-1/plain']);
  });

  it('are one a case and paradigm by the guided prompt', () => {
    expect(ids({ prompt: 'guided', paradigms: ['intuitive', 'bayesian'], blind: 'no' })).toEqual([
      'case-0/intuitive',
      'case-0/bayesian',
      'case-1/intuitive',
      'case-1/bayesian',
    ]);
  });

  it('leave out a case whose image is absent, unless no image is shown to any', () => {
    expect(ids({ blind: 'only' })).toEqual([
      'case-0/plain/blind',
      'case-1/plain/blind',
      'case-2/plain/blind',
    ]);
  });

  it('show images only where they are not asked blind', () => {
    const [, seen, blind] = questionsOf([text, image], EvaluateParams.parse({}));
    expect(seen!.message.content).toEqual([{ type: 'image' }, { type: 'text', text: expect.any(String) }]);
    expect(seen!.images).toEqual(['/x/images/a.png']);
    expect(typeof blind!.message.content).toBe('string');
    expect(blind!.images).toEqual([]);
  });
});

describe.skipIf(!hasShared)('an evaluation', () => {
  let root: string;
  const model = shared('golden/qwen2_vl');
  const params = EvaluateParams.parse({ maxNewTokens: 4, batchSize: 2, scorer: 'medevalkit' });

  beforeAll(async () => {
    root = await mkdtemp(path.join(tmpdir(), 'evaluate-'));
    await mkdir(path.join(root, 'benchmark/images'), { recursive: true });
    await cp(shared('golden/image-0.png'), path.join(root, 'benchmark/images/a.png'));
    const cases = [
      caseAt(0),
      caseAt(1, ['images/a.png']),
      caseAt(2),
      caseAt(3, ['images/gone.png']),
      caseAt(4),
    ];
    await writeFile(
      path.join(root, 'benchmark/cases.jsonl'),
      cases.map((one) => `${JSON.stringify(one)}\n`).join(''),
    );
  });
  afterAll(() => rm(root, { recursive: true }));

  const folder = async (name: string): Promise<string> => {
    await mkdir(path.join(root, name), { recursive: true });
    return path.join(root, name);
  };
  const run = async (name: string, io: EvaluateIo) => {
    const out = await folder(name);
    const benchmark = await readBenchmark(path.join(root, 'benchmark'));
    await runEvaluate({ model, adapter: undefined, predictions: out, report: out }, benchmark, params, io);
    return readFile(path.join(out, 'predictions.jsonl'), 'utf8');
  };

  it('keeps every answer in the order of the cases, and says what each scorer makes of it', async () => {
    const out = { predictions: await folder('p'), report: await folder('r') };
    const summary = await evaluateStage.run(params, {
      ...quiet(),
      inputs: { model, benchmark: path.join(root, 'benchmark') },
      outputs: out,
    });
    expect(summary).toMatchObject({ answers: 5, absent: 1, rejects: 0 });
    const rows = await readRows(path.join(out.predictions, 'predictions.jsonl'), Prediction);
    expect(rows.map((row) => [row.caseId, row.blind])).toEqual([
      ['case-0', false],
      ['case-1', false],
      ['case-1', true],
      ['case-2', false],
      ['case-4', false],
    ]);
    for (const row of rows) {
      expect(Object.keys(row.readings)).toEqual(['strict-tags', 'robust', 'medevalkit']);
      expect(row.completionTokens).toBeLessThanOrEqual(4);
      if (row.finishReason === 'length') expect(row.readings['robust']!.letter).toBeNull();
    }
    expect(rows[1]!.promptTokens).toBeGreaterThan(rows[2]!.promptTokens);
    const report = EvaluationReport.parse(
      JSON.parse(await readFile(path.join(out.report, 'report.json'), 'utf8')),
    );
    expect(report.benchmark).toEqual({ cases: 5, absent: 1, synthetic: true, paradigms: [null] });
    expect(report.sections['robust']!.overall.answers).toBe(4);
    expect(report.imageBlind!['robust']!.overall.answers).toBe(1);
  });

  it('stopped after a batch and taken up again gives the bytes of an undisturbed one', async () => {
    const whole = await run('whole', quiet());
    const stop = new AbortController();
    const saved = await folder('saved');
    const interrupted = run(
      'interrupted',
      quiet({
        signal: stop.signal,
        progress: ({ done }) => {
          if (done >= 2) stop.abort(new Error('stopped'));
        },
        checkpoint: (_step, write) => write(saved),
      }),
    );
    await expect(interrupted).rejects.toThrow('stopped');
    const made: number[] = [];
    const log: string[] = [];
    const resumed = await run(
      'resumed',
      quiet({
        resume: saved,
        progress: ({ done }) => void made.push(done),
        log: (line) => void log.push(line),
      }),
    );
    expect(resumed).toBe(whole);
    expect(log).toEqual(['2 of 5 answers were given before']);
    expect(made[0]).toBeGreaterThan(2);
  });

  it('of base plus vector without rounding says so, and gives the answers of the adapter that the vector is', async () => {
    const adapter = shared('golden/merge/adapter-AM');
    const benchmark = await readBenchmark(path.join(root, 'benchmark'));
    const ask = async (
      name: string,
      how: { adapter?: string; vector?: { folder: string; factor: number } },
    ) => {
      const out = await folder(name);
      const files = { model, adapter: undefined, predictions: out, report: out, ...how };
      const { report } = await runEvaluate(files, benchmark, params, quiet());
      expect(EvaluationReport.parse(report)).toEqual(report);
      return { report, answers: await readFile(path.join(out, 'predictions.jsonl'), 'utf8') };
    };
    const adapted = await ask('adapted', { adapter });
    const added = await ask('added', { vector: { folder: adapter, factor: 1 } });
    const back = await ask('back', { vector: { folder: adapter, factor: 0 } });
    expect(added.answers).toBe(adapted.answers);
    expect(back.answers).not.toBe(adapted.answers);
    expect(added.report.unrounded).toEqual({ factor: 1 });
    expect(adapted.report).not.toHaveProperty('unrounded');
  });

  it('refuses to round what it is to leave unrounded', async () => {
    const benchmark = await readBenchmark(path.join(root, 'benchmark'));
    const vector = { folder: shared('golden/merge/adapter-AM'), factor: 1 };
    const files = { model, adapter: undefined, vector, predictions: root, report: root };
    const io = quiet({ compute: { ...inFloat32, dtype: 'bfloat16' } });
    await expect(runEvaluate(files, benchmark, params, io)).rejects.toThrow(RoundedVector);
  });

  it('refuses a scorer that is not there before it loads anything', async () => {
    const benchmark = await readBenchmark(path.join(root, 'benchmark'));
    const files = { model: '/nowhere', adapter: undefined, predictions: root, report: root };
    await expect(runEvaluate(files, benchmark, { ...params, scorer: 'best' }, quiet())).rejects.toThrow(
      /no scorer profile is named "best"/,
    );
  });
});
