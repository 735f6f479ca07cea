/**
 * A resumable training checkpoint: `trainer_state.json` and `state.safetensors` with the trained values, both AdamW
 * moments and, where the best adapter is kept, the values of the best validation, each one vector in the layout the JSON
 * names. Written at optimizer-step boundaries only.
 */
import { TrainerState } from '../../../schemas/trainer-state.ts';
import type { TrainingProgress } from '../../../schemas/trainer-state.ts';
import { readJson, writeJson } from '../checkpoint/files.ts';
import type { ReadFolder, WriteFolder } from '../checkpoint/files.ts';
import { openSafetensors, writeSafetensors } from '../checkpoint/safetensors-file.ts';
import type { FlatLayout } from './flat-layout.ts';

const STATE = 'trainer_state.json';
const TENSORS = 'state.safetensors';

export interface TrainingArrays {
  readonly values: Float32Array;
  readonly m: Float32Array;
  readonly v: Float32Array;
}

export interface TrainingState {
  readonly state: TrainingProgress;
  readonly arrays: TrainingArrays;
  /** Values of the best validation so far, where those are kept. */
  readonly best?: Float32Array | undefined;
}

/** The checkpoint is of another job than the one that resumes. */
export class StateMismatch extends Error {
  override readonly name = 'StateMismatch';
}

/** The checkpoint is not what a training writes. The message names file and field. */
export class DamagedState extends Error {
  override readonly name = 'DamagedState';
}

/** Where the state of a checkpoint lies, for messages. */
export const stateFile = (folder: ReadFolder): string => `${folder.path}/${STATE}`;

const vector = (data: Float32Array) => ({ dtype: 'F32', shape: [data.length], data }) as const;

const describe = (layout: TrainingProgress['layout']): string =>
  layout.map((e) => `${e.name}[${e.shape.join()}]`).join();

/** Writes a checkpoint, with what the numbers in it were made by. */
export const writeTrainingState = async (
  folder: WriteFolder,
  { state, arrays: { values, m, v }, best }: TrainingState,
  made: Pick<TrainerState, 'setting' | 'settingDigest'>,
): Promise<void> => {
  await writeSafetensors(
    folder,
    TENSORS,
    new Map([
      ['values', vector(values)],
      ['m', vector(m)],
      ['v', vector(v)],
      ...(best === undefined ? [] : [['best', vector(best)] as const]),
    ]),
  );
  await writeJson(folder, STATE, TrainerState.parse({ version: 2, ...state, ...made }));
};

/** Reads `trainer_state.json`. Throws `DamagedState`, and `StateMismatch` where it is of another job. */
export const readTrainerState = async (
  folder: ReadFolder,
  job: TrainingProgress['job'],
): Promise<TrainerState> => {
  const json = await readJson(folder, STATE);
  if ((json as { version?: unknown } | null)?.version === 1)
    throw new StateMismatch(
      `${stateFile(folder)}: version 1 does not say by what it was made, so nothing can go on from it: start anew in an empty folder`,
    );
  const parsed = TrainerState.safeParse(json);
  if (!parsed.success) {
    const issues = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
    throw new DamagedState(
      `${stateFile(folder)}: ${issues.join('; ')}. Delete ${folder.path}: the checkpoint before it counts then`,
    );
  }
  if (parsed.data.job !== job)
    throw new StateMismatch(
      `${stateFile(folder)}: job is ${parsed.data.job}, this training has ${job}: give each training a folder of its own`,
    );
  return parsed.data;
};

/** Reads the arrays that belong to a state. Throws `StateMismatch` where its tensors are not those of `layout`. */
export const readTrainingState = async (
  folder: ReadFolder,
  { job, step, totalSteps, layout, history }: TrainingProgress,
  wanted: FlatLayout,
): Promise<TrainingState> => {
  const trained = wanted.entries.map((e) => ({ name: e.name, shape: [...e.shape] }));
  if (describe(layout) !== describe(trained))
    throw new StateMismatch(
      `${stateFile(folder)}: layout is of ${layout.length} tensors, this training has ${trained.length} other tensors`,
    );
  const file = await openSafetensors(folder, TENSORS);
  try {
    const read = async (name: string): Promise<Float32Array> => {
      const data = await file.read(name);
      if (data.length !== wanted.size)
        throw new DamagedState(
          `${folder.path}/${TENSORS}: ${name} holds ${data.length} numbers, ${STATE} says ${wanted.size}`,
        );
      return data;
    };
    const arrays = { values: await read('values'), m: await read('m'), v: await read('v') };
    const best = file.tensors.has('best') ? await read('best') : undefined;
    return { state: { job, step, totalSteps, layout, history }, arrays, best };
  } finally {
    await file.close();
  }
};
