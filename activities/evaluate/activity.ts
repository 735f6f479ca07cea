import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { EvaluateParams } from '../../schemas/evaluate-params.ts';
import type { Prediction } from '../../schemas/prediction.ts';
import type { EvaluationReport } from '../../schemas/report.ts';
import { withVector } from '../merge/open-vector.ts';
import { openAnswerer, type ImagedPrompt } from '../nn/generation/answerer.ts';
import type { BatchLedger } from '../nn/generation/generate.ts';
import { openInferenceModel } from '../nn/runtime/inference-model.ts';
import { readBenchmark, type Benchmark } from '../shell/benchmark-folder.ts';
import { readRows, writeJsonl } from '../shell/jsonl.ts';
import { defineStage, type StageIo, type StageSummary } from '../stage.ts';
import { StoredAnswer } from './answers-file.ts';
import { evaluationReport } from './evaluation-report.ts';
import { predictionOf, scorersFor } from './predict.ts';
import { questionsOf, type CaseQuestion } from './questions.ts';
import { profileNamed } from './scorers/profiles.ts';

const ANSWERS = 'answers.jsonl';

/** Between two checkpoints; a kill costs no more than this. */
const CHECKPOINT_MS = 20_000;

export type EvaluateIo = Omit<StageIo, 'inputs' | 'outputs'>;

/** Folders of one evaluation. */
export interface EvaluateFiles {
  readonly model: string;
  readonly adapter: string | undefined;
  /** What is added to the weights, in float32 and without rounding, before anything is asked. */
  readonly vector?: { readonly folder: string; readonly factor: number } | undefined;
  /** Where predictions.jsonl and report.json are written. */
  readonly predictions: string;
  readonly report: string;
}

/** Weights that are to be unrounded would be rounded. */
export class RoundedVector extends Error {
  override readonly name = 'RoundedVector';
}

/** Follows the batches: answers of an earlier attempt are taken over, new ones kept in checkpoints. */
async function openLedger(questions: readonly CaseQuestion[], io: EvaluateIo): Promise<BatchLedger> {
  const stored = io.resume === undefined ? [] : await readRows(path.join(io.resume, ANSWERS), StoredAnswer);
  const kept = new Map(stored.map((row) => [row.question, row]));
  if (kept.size > 0) io.log(`${kept.size} of ${questions.length} answers were given before`);
  let saved = performance.now();
  let tokens = 0;
  const started = performance.now();
  return {
    known(request) {
      const found = kept.get(questions[request]!.id);
      return found && [{ tokens: found.tokens, logps: [], finishReason: found.finishReason }];
    },
    async made(requests, completed) {
      for (const [request, [completion]] of requests) {
        if (completion === undefined) continue;
        tokens += completion.tokens.length;
        const { finishReason } = completion;
        const question = questions[request]!.id;
        kept.set(question, { question, tokens: [...completion.tokens], finishReason });
      }
      const tokensPerSecond = tokens / ((performance.now() - started) / 1000);
      io.progress({
        done: completed,
        total: questions.length,
        unit: 'answers',
        figures: { tokensPerSecond },
      });
      const due = io.signal.aborted || performance.now() - saved > CHECKPOINT_MS;
      if (due && completed < questions.length) {
        await io.checkpoint(completed, (folder) => writeJsonl(path.join(folder, ANSWERS), kept.values()));
        saved = performance.now();
      }
      io.signal.throwIfAborted();
    },
  };
}

/** Asks a model about a benchmark and writes its answers and their report; the stage and the command line share it. */
export async function runEvaluate(
  files: EvaluateFiles,
  benchmark: Benchmark,
  params: EvaluateParams,
  io: EvaluateIo,
): Promise<{ readonly report: EvaluationReport; readonly summary: StageSummary }> {
  profileNamed(params.scorer);
  const { vector } = files;
  if (vector !== undefined && io.compute.dtype !== 'float32')
    throw new RoundedVector(
      `${vector.folder} is added without rounding, which dtype ${io.compute.dtype} would undo: make it float32`,
    );
  const questions = questionsOf(benchmark.cases, params);
  for (const reject of benchmark.rejects) io.log(`not a case: ${reject}`);
  const predictions = questions.length === 0 ? [] : await answerAll(files, questions, params, io);
  const cases = benchmark.cases.map((one) => one.case);
  const report: EvaluationReport = {
    ...evaluationReport(cases, predictions, params),
    ...(vector && { unrounded: { factor: vector.factor } }),
  };
  await writeJsonl(path.join(files.predictions, 'predictions.jsonl'), predictions);
  await writeFile(path.join(files.report, 'report.json'), `${JSON.stringify(report, null, 1)}\n`);
  const overall = report.sections[params.scorer]!.overall;
  return {
    report,
    summary: {
      answers: predictions.length,
      absent: report.benchmark.absent,
      rejects: benchmark.rejects.length,
      accuracy: overall.accuracy,
      unparsed: overall.unparsed,
      truncated: overall.truncated,
    },
  };
}

async function answerAll(
  files: EvaluateFiles,
  questions: readonly CaseQuestion[],
  params: EvaluateParams,
  io: EvaluateIo,
): Promise<Prediction[]> {
  const { model: folder, adapter, vector } = files;
  const weights = vector && withVector(vector.folder, vector.factor);
  await using model = await openInferenceModel({ model: folder, adapter, weights });
  const prompts: ImagedPrompt[] = [];
  for (const { id, message, images } of questions)
    prompts.push(await model.encode(id, [message], images, '/'));
  using answerer = await openAnswerer({
    checkpoint: model.checkpoint,
    adapter: model.adapter,
    compute: io.compute,
    prompts,
    loadImage: (image) => model.loadImage(image),
    suppressed: model.suppressed,
    maxNewTokens: params.maxNewTokens,
    sampled: params.temperature > 0,
    rows: params.batchSize,
  });
  const ledger = await openLedger(questions, io);
  const sampling = { ...params, stopTokens: model.stopTokens };
  const completions = await answerer.answer(sampling, ledger);
  const scorers = scorersFor(params.scorer);
  return questions.map((question, i) => {
    const { tokens, finishReason } = completions[i]![0]!;
    const answer = {
      text: model.processor.tokenizer.decode(tokens),
      finishReason,
      promptTokens: prompts[i]!.tokens.length,
      completionTokens: tokens.length,
    };
    return predictionOf(question, answer, scorers);
  });
}

/** Answers of one model to one benchmark. */
export const evaluateStage = defineStage({
  name: 'evaluate',
  specVersion: 1,
  params: EvaluateParams,
  outputs: { predictions: 'predictions', report: 'report' },
  determinism: 'bitwise',
  resources: 'gpu',
  code: [
    'activities/benchmarks/formats.ts',
    'activities/evaluate/questions.ts',
    'activities/evaluate/predict.ts',
    'activities/evaluate/evaluation-report.ts',
    'activities/merge/unrounded.ts',
    'activities/nn/generation/answerer.ts',
    'activities/nn/runtime/inference-model.ts',
  ],
  async run(params, io) {
    const vector = io.inputs['vector'];
    const files = {
      model: io.inputs['model']!,
      adapter: io.inputs['adapter'],
      vector: vector === undefined ? undefined : { folder: vector, factor: 1 },
      predictions: io.outputs['predictions']!,
      report: io.outputs['report']!,
    };
    const benchmark = await readBenchmark(io.inputs['benchmark']!);
    return (await runEvaluate(files, benchmark, params, io)).summary;
  },
});
