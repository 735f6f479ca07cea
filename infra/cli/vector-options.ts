import { InvalidArgumentError, type Command } from 'commander';
import type { ComputeOptions } from './compute-options.ts';

export interface VectorOptions {
  readonly vector?: string;
  readonly eta?: number;
}

const factor = (text: string): number => {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('It is a number.');
  return value;
};

/** Adds `--vector` and `--eta`. */
export const withVectorOptions = (command: Command): Command =>
  command
    .option('--vector <dir>', 'vector or adapter, by folder, digest or ref, to add to the weights unrounded')
    .option('--eta <factor>', 'factor on the vector (1)', factor);

/** The options of a vector contradict each other. */
export class BadVectorOptions extends Error {
  override readonly name = 'BadVectorOptions';
  readonly exitCode = 2;
}

/** Throws `BadVectorOptions` where there is nothing to scale, or the vector would be rounded. */
export const checkVectorOptions = ({
  vector,
  eta,
  dtype,
}: VectorOptions & Pick<ComputeOptions, 'dtype'>): void => {
  if (eta !== undefined && vector === undefined)
    throw new BadVectorOptions('--eta is a factor on --vector, which is not given');
  if (vector !== undefined && dtype !== 'float32')
    throw new BadVectorOptions(`--vector is added without rounding, which --dtype ${dtype} would undo`);
};
