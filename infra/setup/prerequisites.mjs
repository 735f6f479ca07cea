import { execFileSync } from 'node:child_process';

const answer = (program, args) => {
  try {
    return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
  } catch {
    return undefined;
  }
};

/** The C++ compiler: `CXX`, else `g++`. */
export const compiler = (env = process.env) => env.CXX || 'g++';

/** Programs that set-up may need: how to ask each for its version, and what to install where it does not answer. */
const PROGRAMS = {
  python3: {
    version: () => answer('python3', ['--version']),
    cure: 'install Python 3.9 or later (Debian, Ubuntu: apt-get install python3 python3-pip)',
  },
  pip: {
    version: () => answer('python3', ['-m', 'pip', '--version'])?.split(' from ')[0],
    cure: 'install pip for python3 (Debian, Ubuntu: apt-get install python3-pip)',
  },
  'g++': {
    version: () => answer(compiler(), ['--version'])?.split('\n')[0],
    cure: 'install a C++17 compiler (Debian, Ubuntu: apt-get install g++) or name one in CXX',
  },
  go: {
    version: () => answer('go', ['version']),
    cure: 'install Go 1.24 or later (https://go.dev/dl), or name servers that run elsewhere in TEMPORAL_ADDRESS and S3_ENDPOINT',
  },
};

export const NEEDED_NODE = [20, 19];

/** What is wrong with this Node, or nothing. */
export function nodeProblem(version = process.versions.node) {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const old = major < NEEDED_NODE[0] || (major === NEEDED_NODE[0] && minor < NEEDED_NODE[1]);
  return old
    ? `Node ${version} is too old: install Node ${NEEDED_NODE.join('.')} or later (22 and 24 work too)`
    : undefined;
}

/** Name, version (where it is there) and cure of each of these programs. */
export const inspect = (names) =>
  [...names].map((name) => ({ name, version: PROGRAMS[name].version(), cure: PROGRAMS[name].cure }));

/** A line for each of these programs that is missing, with what to install. pip is told of only beside a Python. */
export function missingPrograms(names) {
  const missing = inspect(names).filter(({ version }) => version === undefined);
  const noPython = missing.some(({ name }) => name === 'python3');
  return missing
    .filter(({ name }) => !(noPython && name === 'pip'))
    .map(({ name, cure }) => `${name} is missing: ${cure}`);
}
