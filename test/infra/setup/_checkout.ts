import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const SETUP = path.resolve(import.meta.dirname, '../../../infra/setup');

/** A wheel with two libraries of one function each, and the Python that packs it. */
const LIBRARY = 'extern "C" const char *TF_Version() { return "tiny"; }';
const PACK = `
import sys, zipfile
wheel, folder = sys.argv[1:3]
info = 'tensorflow_cpu-2.21.0.dist-info/'
with zipfile.ZipFile(wheel, 'w') as archive:
    for name in ('libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'):
        archive.write(folder + '/' + name, 'tensorflow/' + name)
    archive.writestr('tensorflow/include/tensorflow/c.h', '')
    archive.writestr('tensorflow/python.py', '')
    archive.writestr(info + 'METADATA', 'Metadata-Version: 2.1\\nName: tensorflow-cpu\\nVersion: 2.21.0\\n')
    archive.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: false\\nTag: cp312-cp312-manylinux_2_27_x86_64\\n')
    archive.writestr(info + 'RECORD', '')
`;
const BINDING = `#include <node_api.h>
extern "C" const char *TF_Version();
NAPI_MODULE_INIT() {
  napi_value version;
  napi_create_string_utf8(env, TF_Version(), NAPI_AUTO_LENGTH, &version);
  return version;
}`;

const write = (file: string, value: unknown) => writeFile(file, JSON.stringify(value));

export interface Outcome {
  readonly code: number | null;
  readonly said: string;
}

/** A project that set-up can be run on within seconds: real npm, pip and compiler, a tiny library, no network. */
export interface Checkout {
  readonly root: string;
  readonly cache: string;
  /** Runs set-up; a name in `env` without a value is taken out of the environment. */
  setUp(env?: NodeJS.ProcessEnv, args?: readonly string[]): Promise<Outcome>;
  /** Starts set-up and kills it, as if the power failed, once it has said `word`. */
  killAt(word: string): Promise<void>;
  /** What the installed binding gives when it is loaded. */
  load(): Promise<string>;
  /** The folder of the library in the cache. */
  library(): Promise<string>;
  pin(sha256: string): Promise<void>;
  remove(): Promise<void>;
}

export async function makeCheckout(): Promise<Checkout> {
  const base = await mkdtemp(path.join(os.tmpdir(), 'mmedexpert-setup-'));
  const root = path.join(base, 'checkout');
  const cache = path.join(base, 'cache');
  const wheels = path.join(base, 'wheels');
  const packageFolder = path.join(root, 'vendor/tfjs');
  await cp(SETUP, path.join(root, 'infra/setup'), { recursive: true });
  await mkdir(path.join(packageFolder, 'binding'), { recursive: true });
  await mkdir(wheels);
  const name = '@tensorflow/tfjs-node-gpu';
  await write(path.join(packageFolder, 'package.json'), { name, version: '4.22.0' });
  await writeFile(path.join(packageFolder, 'binding/binding.cc'), BINDING);
  await write(path.join(root, 'package.json'), {
    name: 'tiny',
    dependencies: { [name]: 'file:vendor/tfjs' },
  });
  await run('npm', ['install', '--package-lock-only', '--offline', '--no-audit'], { cwd: root });

  await writeFile(path.join(base, 'library.cc'), LIBRARY);
  for (const part of ['cc', 'framework']) {
    const file = `libtensorflow_${part}.so.2`;
    const args = ['-shared', '-fPIC', `-Wl,-soname,${file}`, '-o', path.join(base, file)];
    await run('g++', [...args, path.join(base, 'library.cc')]);
  }
  const wheel = path.join(wheels, 'tensorflow_cpu-2.21.0-cp312-cp312-manylinux_2_27_x86_64.whl');
  await run('python3', ['-c', PACK, wheel, base]);

  const pin = (sha256: string) =>
    write(path.join(root, 'infra/setup/pins.json'), {
      tensorflow: {
        [`${process.platform}-${os.arch()}-cpu`]: {
          platforms: ['manylinux_2_27_x86_64'],
          wheels: [{ name: 'tensorflow-cpu', version: '2.21.0', sha256 }],
        },
      },
      go: { temporal: { version: 'v1.5.1' }, versitygw: { version: 'v1.8.0' } },
    });
  await pin(
    createHash('sha256')
      .update(await readFile(wheel))
      .digest('hex'),
  );

  const start = (more: NodeJS.ProcessEnv = {}, args: readonly string[] = []) => {
    const env = {
      ...process.env,
      MMEDEXPERT_CACHE: cache,
      MMEDEXPERT_ACCELERATOR: 'cpu',
      TEMPORAL_ADDRESS: 'there:7233',
      S3_ENDPOINT: 'http://there',
      PIP_NO_INDEX: '1',
      PIP_FIND_LINKS: wheels,
      ...more,
    };
    for (const key of Object.keys(env))
      if (env[key as keyof typeof env] === undefined) Reflect.deleteProperty(env, key);
    const child = spawn(process.execPath, ['infra/setup/bootstrap.mjs', 'setup', ...args], {
      cwd: root,
      env,
    });
    let said = '';
    child.stderr.on('data', (text: Buffer) => (said += text.toString()));
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
    return { child, ended, said: () => said };
  };
  return {
    root,
    cache,
    pin,
    setUp: async (env, args) => {
      const { ended, said } = start(env, args);
      return { code: await ended, said: said() };
    },
    killAt: async (word) => {
      const { child, ended, said } = start();
      child.stderr.on('data', () => {
        if (said().includes(word)) child.kill('SIGKILL');
      });
      await ended;
    },
    load: async () => {
      const binding = path.join(root, 'node_modules', name, 'lib/napi-v8/tfjs_binding.node');
      const { stdout } = await run(process.execPath, ['-p', `require(${JSON.stringify(binding)})`]);
      return stdout.trim();
    },
    library: async () => {
      const folder = path.join(cache, 'tensorflow');
      return path.join(folder, (await readdir(folder))[0] ?? 'none');
    },
    remove: () => rm(base, { recursive: true, force: true }),
  };
}
