import path from 'node:path';
import { digestOf } from '../../artifacts/canonical.ts';
import { Case } from '../../schemas/case.ts';
import { GbaParams } from '../../schemas/gba-params.ts';
import { Rollout } from '../../schemas/rollout.ts';
import { writeAdapter } from '../nn/checkpoint/adapter.ts';
import { promptIds } from '../nn/chat.ts';
import type { Grid } from '../nn/models/position-ids.ts';
import { nodeFolder } from '../nn/runtime/files.ts';
import { withTrainingModel } from '../nn/runtime/training-model.ts';
import { adapterLayout, trainedAdapter } from '../nn/training/adapter.ts';
import { CHECKPOINT_SECONDS } from '../nn/training/loop.ts';
import type { LoopSettings } from '../nn/training/loop.ts';
import { casePrompt } from '../prompts/case-prompt.ts';
import { GUIDELINES } from '../prompts/guidelines.ts';
import { readGuidelines } from '../shell/guidelines-folder.ts';
import { companionsDigest, rowsDigest } from '../shell/input-digests.ts';
import { readRows, writeJsonl } from '../shell/jsonl.ts';
import { peakMemory } from '../shell/peak-memory.ts';
import { trainingCheckpoints } from '../shell/training-checkpoints.ts';
import { writeMetrics } from '../shell/training-metrics.ts';
import { validationRows } from '../shell/validation-rows.ts';
import { defineStage } from '../stage.ts';
import type { StageIo, StageSummary } from '../stage.ts';
import { checklistOf } from './checklists.ts';
import { queriesWithin } from './queries.ts';
import type { KeptQueries, PromptOf } from './queries.ts';
import { startingModel } from './start.ts';
import { trainGba } from './train.ts';

/** Folders and files of a training by GBA. */
export interface GbaFiles {
  /** What training starts from and is held near, unless a start says otherwise. */
  readonly model: string;
  /** Vector, adapter or merged model that is added to the model, or stands in its place. */
  readonly start?: string | undefined;
  /** One text a paradigm, in place of the project's own. */
  readonly guidelines?: string | undefined;
  /** A JSONL file of cases; image paths are relative to it. */
  readonly data: string;
  /** The same for cases to validate on; undefined where nothing is validated. */
  readonly validation?: string | undefined;
  /** Where the adapter and metrics.jsonl are written. */
  readonly adapter: string;
  /** Where rollouts.jsonl is written. */
  readonly rollouts: string;
}

const ROLLOUTS = 'rollouts.jsonl';

/** Cases of a file, their images by absolute paths. */
const casesOf = async (file: string): Promise<Case[]> =>
  (await readRows(file, Case)).map((one) => ({
    ...one,
    images: one.images.map((image) => path.resolve(path.dirname(file), image)),
  }));

/** Trains an adapter from files to files; the stage and the command line share it. */
export const runGba = (
  files: GbaFiles,
  params: GbaParams,
  io: Omit<StageIo, 'inputs' | 'outputs'>,
  promptOf?: PromptOf,
  settings: LoopSettings = { checkpointSeconds: CHECKPOINT_SECONDS },
): Promise<StageSummary> =>
  withTrainingModel(startingModel(files.model, files.start), async (training) => {
    const { checkpoint, processor, stopTokens, suppressed } = training.model;
    const { config } = checkpoint;
    const guidelines = files.guidelines === undefined ? undefined : await readGuidelines(files.guidelines);
    const { loadImage } = training.model;
    const asked = await casesOf(files.data);
    const heldOut = await validationRows(files.validation, params.validateEvery, casesOf);
    const grids = new Map<string, Grid>();
    for (const image of new Set([...asked, ...(heldOut ?? [])].flatMap(({ images }) => images)))
      grids.set(image, (await loadImage(image)).grid);
    const messagesOf: PromptOf =
      promptOf ?? ((question, paradigm) => [casePrompt(question, paradigm, guidelines)]);
    const within = (cases: readonly Case[]): KeptQueries =>
      queriesWithin(
        cases,
        (question, paradigm) => {
          const own = question.images.map((image) => grids.get(image) as Grid);
          return promptIds(processor, messagesOf(question, paradigm), own).length;
        },
        params,
      );
    const { queries, dropped } = within(asked);
    const validation = heldOut === undefined ? undefined : within(heldOut);
    const droppedQueries = dropped.length + (validation?.dropped.length ?? 0);
    if (droppedQueries > 0) io.log(`dropped ${droppedQueries} queries for the length of their prompts`);

    const layout = adapterLayout(config, params.rank, params.targets);
    const totalSteps = params.steps;
    const guidelinesDigest = params.guidelineMode === 'none' ? null : digestOf(guidelines ?? GUIDELINES);
    const checkpoints = trainingCheckpoints(io, {
      job: 'gba',
      totalSteps,
      layout,
      setting: {
        params,
        compute: io.compute,
        inputs: {
          model: training.digest,
          companions: await companionsDigest(files.model),
          data: await rowsDigest(files.data, Case),
          validation: validation === undefined ? null : await rowsDigest(files.validation!, Case),
          guidelines: guidelinesDigest,
        },
      },
    });
    const state = await checkpoints.resume();
    const resume = state && { state, rollouts: await readRows(path.join(io.resume!, ROLLOUTS), Rollout) };
    const { values, keptStep, history, rollouts, summary } = await trainGba(
      {
        config,
        compute: io.compute,
        params,
        chat: processor,
        queries,
        validation: validation?.queries,
        promptOf: messagesOf,
        checklistOf,
        grids,
        loadImage,
        stopTokens,
        suppressed,
        resume,
        fillBase: (session) => training.fillBase(session, io.compute.dtype),
      },
      {
        signal: io.signal,
        progress: (done, figures) =>
          io.progress({ done, total: totalSteps, unit: 'steps', figures: { ...figures } }),
        checkpoint: (step, trained, made) =>
          io.checkpoint(step, async (folder) => {
            await checkpoints.write(folder, trained);
            await writeJsonl(path.join(folder, ROLLOUTS), made);
          }),
      },
      settings,
    );
    const trained = { ...params, trainedOn: training.digest };
    await writeAdapter(nodeFolder(files.adapter), trainedAdapter(config, layout, values, trained));
    await writeMetrics(files.adapter, history);
    await writeJsonl(path.join(files.rollouts, ROLLOUTS), rollouts);
    const last = history.slice(-10);
    const mean = (of: (metric: (typeof history)[number]) => number): number | null =>
      last.length === 0 ? null : last.reduce((sum, metric) => sum + of(metric), 0) / last.length;
    return {
      steps: history.length,
      keptStep,
      queries: queries.length,
      droppedQueries,
      guidelines: guidelinesDigest,
      rollouts: rollouts.length,
      firstReward: history[0]?.reward ?? null,
      lastReward: mean((m) => m.reward),
      validationAccuracy: history[keptStep - 1]?.['eval_rewards/accuracy/mean'] ?? null,
      lastAccuracy: mean((m) => m['rewards/accuracy/mean']),
      lastZeroStd: mean((m) => m.frac_reward_zero_std),
      tokens: summary.tokens,
      seconds: summary.seconds,
      samplingSeconds: summary.samplingSeconds,
      sampledTokensPerSecond: summary.sampledTokens / summary.samplingSeconds,
      peakMemoryBytes: peakMemory(),
    };
  });

/** Reinforcement learning with guideline-based advantages (section 3.3). */
export const gbaStage = defineStage({
  name: 'gba',
  specVersion: 2,
  params: GbaParams,
  outputs: { adapter: 'adapter', rollouts: 'rollouts' },
  determinism: 'bitwise',
  resources: 'gpu',
  code: [
    'activities/gba/train.ts',
    'activities/gba/checklists.ts',
    'activities/prompts/case-prompt.ts',
    'activities/nn/runtime/training-model.ts',
  ],
  run: (params, io) =>
    runGba(
      {
        model: io.inputs['model']!,
        data: path.join(io.inputs['queries']!, 'cases.jsonl'),
        validation: path.join(io.inputs['queries']!, 'validation.jsonl'),
        adapter: io.outputs['adapter']!,
        rollouts: io.outputs['rollouts']!,
      },
      params,
      io,
    ),
});
