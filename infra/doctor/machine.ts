import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, statfs } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { instructionLevel } from '../../activities/shell/environment.ts';
import { type Finding, ok, warn, fail, wordsOf } from './finding.ts';

const GIB = 2 ** 30;

/** Cores, memory and vector instructions: what decides how fast this machine computes. */
export async function* examineHardware(): AsyncGenerator<Finding> {
  const level = instructionLevel(await readFile('/proc/cpuinfo', 'utf8').catch(() => ''), os.arch());
  const bf16 = /bf16/.test(level) ? 'bfloat16 in hardware' : 'bfloat16 without hardware for it';
  yield /x64-(sse|avx$)|x64$/.test(level) && process.platform === 'linux'
    ? warn(
        'processor',
        `${level}, ${bf16}`,
        'use a machine with AVX2: TensorFlow is several times slower here',
      )
    : ok('processor', `${os.cpus()[0]?.model.trim() ?? 'unknown'}: ${level}, ${bf16}`);
  const threads = os.availableParallelism();
  yield threads < 2
    ? warn('threads', '1', 'give the machine two cores: training and the servers share this one')
    : ok('threads', String(threads));
  const memory = os.totalmem() / GIB;
  yield memory < 3.5
    ? warn(
        'memory',
        `${memory.toFixed(1)} GiB`,
        'the demo takes some 3 GiB: close other programs or add memory',
      )
    : ok('memory', `${memory.toFixed(1)} GiB, ${(os.freemem() / GIB).toFixed(1)} free`);
}

/** Space where data grow. */
export async function examineDisk(name: string, folder: string, needed: number): Promise<Finding> {
  let existing = folder;
  for (;;) {
    try {
      const { bavail, bsize } = await statfs(existing);
      const free = (bavail * bsize) / GIB;
      const says = `${free.toFixed(1)} GiB free at ${folder}`;
      if (free < 0.5) return fail(name, says, 'make room: nothing more can be stored');
      return free < needed ? warn(name, says, `make room: ${needed} GiB are comfortable`) : ok(name, says);
    } catch (error) {
      const above = path.dirname(existing);
      if (above === existing) return fail(name, wordsOf(error), `make ${folder} readable`);
      existing = above;
    }
  }
}

const SET = 'import os, sys; os.setxattr(sys.argv[1], b"user.mmedexpert", b"1")';

/** Whether files here can carry extended attributes, where versitygw keeps what S3 knows of an object. */
export async function examineAttributes(folder: string): Promise<Finding> {
  const name = 'file attributes';
  if (process.platform !== 'linux') return ok(name, 'not examined on this platform');
  await mkdir(folder, { recursive: true });
  const scratch = await mkdtemp(path.join(folder, 'doctor-'));
  try {
    await promisify(execFile)('python3', ['-c', SET, scratch]);
    return ok(name, `kept by the file system of ${folder}`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ok(name, 'not examined: it takes python3');
    return warn(
      name,
      `not kept by the file system of ${folder}`,
      'the local S3 server keeps metadata in a folder beside instead; another MMEDEXPERT_HOME is faster',
    );
  } finally {
    await rm(scratch, { recursive: true });
  }
}
