/** One thing that is wrong with a configuration, and where it was written. */
export interface ConfigProblem {
  readonly from: string;
  /** Dotted path of the key; empty where the whole file is meant. */
  readonly path: string;
  readonly message: string;
  /** The nearest right key or value. */
  readonly nearest?: string;
}

const line = (problem: ConfigProblem): string =>
  `${problem.from}: ${problem.path === '' ? '' : `${problem.path} `}${problem.message}` +
  (problem.nearest === undefined ? '' : `; did you mean ${problem.nearest}?`);

/** Thrown when a configuration is not what its schema says. All problems are named at once. */
export class ConfigError extends Error {
  override name = 'ConfigError' as const;
  /** Exit code of a command that ends by it: bad usage. */
  readonly exitCode = 2;
  readonly problems: readonly ConfigProblem[];
  constructor(problems: readonly ConfigProblem[]) {
    super(problems.map(line).join('\n'));
    this.problems = problems;
  }
}
