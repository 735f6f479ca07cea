/** Checkpoints of a training, each with the setting it was made in. */
import { digestOf } from '../../artifacts/canonical.ts';
import { changesBetween } from '../../artifacts/changes.ts';
import { TrainingSetting } from '../../schemas/trainer-state.ts';
import type { TrainerState, TrainingProgress } from '../../schemas/trainer-state.ts';
import type { Change } from '../../schemas/verdict.ts';
import { nodeFolder } from '../nn/runtime/files.ts';
import type { FlatLayout } from '../nn/training/flat-layout.ts';
import {
  DamagedState,
  readTrainerState,
  readTrainingState,
  stateFile,
  StateMismatch,
  writeTrainingState,
} from '../nn/training/state.ts';
import type { TrainingState } from '../nn/training/state.ts';
import type { StageIo } from '../stage.ts';

/** A training as its checkpoints know it. */
export interface CheckpointedTraining extends Pick<TrainingProgress, 'job' | 'totalSteps'> {
  readonly layout: FlatLayout;
  /** The parameters as their schema gives them. */
  readonly setting: Omit<TrainingSetting, 'params'> & { readonly params: object };
}

export interface TrainingCheckpoints {
  /**
   * The state to go on from, undefined where there is none. Throws `StateMismatch` where this training would have come
   * to other numbers by then, and `DamagedState`.
   */
  resume(): Promise<TrainingState | undefined>;
  write(folder: string, state: TrainingState): Promise<void>;
}

/**
 * Fields of a setting that may differ without the numbers so far being others than this training's own:
 * - how work is cut and scheduled changes rounding alone; with dropout it changes the masks too, but for `recompute`;
 * - where the learning rate does not know the end, the end may move;
 * - `patience` and `minDelta` are held against all validations so far; `keep: last` drops what `best` kept;
 * - validating changes no bit of what is trained, so where nothing is chosen by it, it may differ too.
 */
const freeFields = ({ params }: TrainingSetting): ReadonlySet<string> => {
  const masked = Number(params['dropout'] ?? 0) > 0;
  const chosen = params['keep'] === 'best' || (params['patience'] ?? null) !== null;
  return new Set([
    'params.recompute',
    'compute.intraOpThreads',
    ...(masked ? [] : ['params.microBatchTokens', 'compute.execution']),
    ...(params['schedule'] === 'constant' ? ['params.epochs', 'params.steps'] : []),
    'params.patience',
    'params.minDelta',
    ...(params['keep'] === 'last' ? ['params.keep'] : []),
    ...(chosen ? [] : ['params.validateEvery', 'params.validateQueries', 'inputs.validation']),
  ]);
};

const told = (value: unknown): string => (value === undefined ? 'absent' : JSON.stringify(value));
const pair = ({ path, before, after }: Change): string =>
  `${path} is ${told(before)}, this training has ${told(after)}`;

/** Throws `StateMismatch` or `DamagedState`; returns the differences that do no harm. */
const compare = (
  file: string,
  found: TrainerState,
  wanted: Pick<TrainerState, 'setting' | 'totalSteps'>,
): readonly Change[] => {
  if (digestOf(found.setting) !== found.settingDigest)
    throw new DamagedState(
      `${file}: setting is not the one that settingDigest ${found.settingDigest} was made of: it was changed by hand or by a fault`,
    );
  const changes = changesBetween('', found.setting, wanted.setting);
  const free = freeFields(wanted.setting);
  const harmful = changes.filter(({ path }) => !free.has(path));
  if (harmful.length > 0)
    throw new StateMismatch(
      `${file}: ${harmful.map(pair).join('; ')}. Give what it was made with, or start anew in an empty folder`,
    );
  if (found.step > wanted.totalSteps)
    throw new StateMismatch(
      `${file}: step is ${found.step}, this training has ${wanted.totalSteps} steps in all: give it more, or start anew in an empty folder`,
    );
  return changes;
};

/** The checkpoints of a training, in the folders that `io` gives it. */
export const trainingCheckpoints = (
  io: Pick<StageIo, 'resume' | 'log'>,
  training: CheckpointedTraining,
): TrainingCheckpoints => {
  const setting = TrainingSetting.parse(training.setting);
  const made = { setting, settingDigest: digestOf(setting) };
  return {
    async resume() {
      if (io.resume === undefined) return undefined;
      const folder = nodeFolder(io.resume);
      const found = await readTrainerState(folder, training.job);
      for (const change of compare(stateFile(folder), found, { setting, totalSteps: training.totalSteps }))
        io.log(`goes on from step ${found.step}, where ${pair(change)}`);
      return readTrainingState(folder, found, training.layout);
    },
    write: (folder, state) => writeTrainingState(nodeFolder(folder), state, made),
  };
};
