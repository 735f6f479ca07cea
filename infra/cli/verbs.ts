import type { Command } from 'commander';

interface Verb {
  readonly group: string;
  /** What the list of verbs says of it; its own help says the same. */
  readonly about: string;
  load(): Promise<{ register(program: Command): void }>;
}

/** All verbs. Each is in a file of its own that is loaded when it is called, so that the list costs next to nothing. */
export const verbs: Readonly<Record<string, Verb>> = {
  run: {
    group: 'Runs:',
    about: 'start a run, or join the open one that is the same, and follow it',
    load: () => import('./run.ts'),
  },
  runs: { group: 'Runs:', about: 'list runs, newest first', load: () => import('./runs.ts') },
  status: {
    group: 'Runs:',
    about: 'show how far a run is, step by step',
    load: () => import('./status.ts'),
  },
  cancel: {
    group: 'Runs:',
    about: 'end a run; steps that another open run wants go on',
    load: () => import('./cancel.ts'),
  },
  logs: { group: 'Runs:', about: "print a step's log", load: () => import('./logs.ts') },
  config: {
    group: 'Runs:',
    about: 'show the configuration of a run, or its schema',
    load: () => import('./config.ts'),
  },
  plan: {
    group: 'Runs:',
    about: 'say what a run will take, stage by stage: tokens, memory, hours, cost',
    load: () => import('./plan.ts'),
  },
  lineage: {
    group: 'Store:',
    about: 'where artifacts come from and what was made of them',
    load: () => import('./lineage.ts'),
  },
  store: { group: 'Store:', about: 'the artifact store', load: () => import('./store.ts') },
  model: {
    group: 'Models:',
    about: 'run a model on one conversation, or copy it to be mapped',
    load: () => import('./model.ts'),
  },
  train: {
    group: 'Models:',
    about: 'train on plain folders, without the pipeline',
    load: () => import('./train.ts'),
  },
  merge: { group: 'Models:', about: 'merge adapters into a full model', load: () => import('./merge.ts') },
  evaluate: {
    group: 'Models:',
    about: 'ask a model the questions of benchmarks and report how many it answers right',
    load: () => import('./evaluate.ts'),
  },
  score: {
    group: 'Models:',
    about: 'score predictions made anywhere, row by row and in total',
    load: () => import('./score.ts'),
  },
  bench: {
    group: 'This machine:',
    about: 'measure how fast a model trains and samples here',
    load: () => import('./bench.ts'),
  },
  data: {
    group: 'Models:',
    about: 'look at rows of data',
    load: () => import('./data.ts'),
  },
  setup: {
    group: 'This machine:',
    about: 'install and build what is missing: packages, TensorFlow library and binding, local servers',
    load: () => import('./setup.ts'),
  },
  up: {
    group: 'This machine:',
    about: 'start the local servers and workers, and leave them running',
    load: () => import('./up.ts'),
  },
  down: {
    group: 'This machine:',
    about: 'stop the local workers and servers; data stay, open runs go on with the next `up`',
    load: () => import('./down.ts'),
  },
  worker: {
    group: 'This machine:',
    about: 'serve task queues until stopped',
    load: () => import('./worker.ts'),
  },
  doctor: {
    group: 'This machine:',
    about: 'say what is missing or misconfigured, and what to do about it',
    load: () => import('./doctor.ts'),
  },
};
