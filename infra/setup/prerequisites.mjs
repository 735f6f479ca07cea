import { execFileSync } from 'node:child_process';

const version = (program, args) => {
  try {
    return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  } catch {
    return undefined;
  }
};

/** What this machine lacks, each with what to install. `go` is needed only where a server has to be built. */
export function missingPrerequisites({ needsGo }) {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const missing = [];
  if (major < 20 || (major === 20 && minor < 19))
    missing.push(
      `Node ${process.versions.node} is too old: install Node 20.19 or later (22 and 24 work too)`,
    );
  if (version('python3', ['--version']) === undefined)
    missing.push(
      'python3 is not there: install Python 3.9 or later (Debian, Ubuntu: apt-get install python3 python3-pip)',
    );
  else if (version('python3', ['-m', 'pip', '--version']) === undefined)
    missing.push('pip is not there: install it for python3 (Debian, Ubuntu: apt-get install python3-pip)');
  if (version('g++', ['--version']) === undefined)
    missing.push(
      'g++ is not there: install a C++17 compiler (Debian, Ubuntu: apt-get install g++; macOS: xcode-select --install)',
    );
  if (needsGo && version('go', ['version']) === undefined)
    missing.push(
      'go is not there: install Go 1.24 or later from go.dev/dl, or put `temporal` and `versitygw` on PATH, or set TEMPORAL_ADDRESS and S3_ENDPOINT',
    );
  return missing;
}
