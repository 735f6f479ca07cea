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

/** Options that contradict each other are bad usage. */
export const checkVectorOptions = (
  { vector, eta, dtype }: VectorOptions & Pick<ComputeOptions, 'dtype'>,
  command: Command,
): void => {
  if (eta !== undefined && vector === undefined)
    command.error('error: --eta is a factor on --vector, which is not given', { exitCode: 2 });
  if (vector !== undefined && dtype !== 'float32')
    command.error(`error: --vector is added without rounding, which --dtype ${dtype} would undo`, {
      exitCode: 2,
    });
};
