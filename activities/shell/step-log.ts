import { appendFile, mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Digest } from '../../schemas/digest.ts';

/** Largest log that is kept with a step's result; the end of a longer one is kept. */
const MAX_BYTES = 4 * 1024 * 1024;

/** Name of the file that a running step's lines go to. */
export const stepLogFile = (folder: string, key: Digest): string =>
  path.join(folder, `${key.slice('sha256:'.length)}.log`);

/** The lines of one step, appended over its attempts to a file beside the worker while it runs. */
export class StepLog {
  readonly #file: string;
  #writing: Promise<void> = Promise.resolve();

  private constructor(file: string) {
    this.#file = file;
  }

  static async open(folder: string, key: Digest): Promise<StepLog> {
    await mkdir(folder, { recursive: true });
    return new StepLog(stepLogFile(folder, key));
  }

  line(text: string): void {
    const stamped = `${new Date().toISOString()} ${text}\n`;
    this.#writing = this.#writing.then(() => appendFile(this.#file, stamped));
  }

  async bytes(): Promise<Uint8Array> {
    await this.#writing;
    const all = await readFile(this.#file);
    return all.subarray(Math.max(0, all.length - MAX_BYTES));
  }

  close(): Promise<void> {
    return this.#writing;
  }
}
