/**
 * A resumable training checkpoint: `trainer_state.json` and `state.safetensors` with the trained values, both AdamW
 * moments and, where the best adapter is kept, the values of the best validation, each one vector in the layout the JSON
 * names. Written at optimizer-step boundaries only.
 */
import { TrainerState } from '../../../schemas/trainer-state.ts';
import { writeJson } from '../checkpoint/files.ts';
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
  readonly state: TrainerState;
  readonly arrays: TrainingArrays;
  /** Values of the best validation so far, where those are kept. */
  readonly best?: Float32Array | undefined;
}

/** The checkpoint is of another job than the one that resumes; delete it or give the parameters it was made with. */
export class StateMismatch extends Error {
  override readonly name = 'StateMismatch';
}

const vector = (data: Float32Array) => ({ dtype: 'F32', shape: [data.length], data }) as const;

const describe = (layout: TrainerState['layout']): string =>
  layout.map((e) => `${e.name}[${e.shape.join()}]`).join();

export const writeTrainingState = async (folder: WriteFolder, state: TrainingState): Promise<void> => {
  const { values, m, v } = state.arrays;
  await writeSafetensors(
    folder,
    TENSORS,
    new Map([
      ['values', vector(values)],
      ['m', vector(m)],
      ['v', vector(v)],
      ...(state.best === undefined ? [] : [['best', vector(state.best)] as const]),
    ]),
  );
  await writeJson(folder, STATE, TrainerState.parse(state.state));
};

/** Reads a checkpoint back and refuses one whose job, number of steps or trained tensors differ from the caller's. */
export const readTrainingState = async (
  folder: ReadFolder,
  job: Pick<TrainerState, 'job' | 'totalSteps'> & { readonly layout: FlatLayout },
): Promise<TrainingState> => {
  const state = TrainerState.parse(JSON.parse(await folder.readText(STATE)));
  const refuse = (what: string, found: string | number, wanted: string | number): never => {
    throw new StateMismatch(`${folder.path}/${STATE}: ${what} is ${found}, this training has ${wanted}`);
  };
  if (state.job !== job.job) refuse('job', state.job, job.job);
  if (state.totalSteps !== job.totalSteps) refuse('totalSteps', state.totalSteps, job.totalSteps);
  const wanted = job.layout.entries.map((e) => ({ name: e.name, shape: [...e.shape] }));
  if (describe(state.layout) !== describe(wanted))
    refuse('layout', `${state.layout.length} tensors`, `${wanted.length} other tensors`);
  const file = await openSafetensors(folder, TENSORS);
  try {
    const read = async (name: string): Promise<Float32Array> => {
      const data = await file.read(name);
      if (data.length !== job.layout.size) refuse(`length of ${name}`, data.length, job.layout.size);
      return data;
    };
    const arrays = { values: await read('values'), m: await read('m'), v: await read('v') };
    return { state, arrays, best: file.tensors.has('best') ? await read('best') : undefined };
  } finally {
    await file.close();
  }
};
