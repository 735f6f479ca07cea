import { Option, type Command } from 'commander';
import { resolveCompute } from '../../activities/shell/arithmetic.ts';
import { defaultThreads } from '../../activities/nn/runtime/tensorflow.ts';
import { Compute, type ResolvedCompute } from '../../schemas/config/compute.ts';
import { probesFolder } from '../probes.ts';

/** How a command computes, as its options say it. */
export type ComputeOptions = Pick<Compute, 'dtype' | 'arithmetic' | 'execution'>;

/** How a command without these options computes. */
export const AS_TRACED: ComputeOptions = { dtype: 'float32', arithmetic: 'auto', execution: 'graph' };

/** Adds `--dtype`, `--arithmetic` and `--execution`. */
export const withCompute = (command: Command): Command => {
  const { dtype, arithmetic, execution } = Compute.shape;
  return command
    .addOption(
      new Option('--dtype <type>', 'what frozen weights are stored and rounded in')
        .choices(dtype.options)
        .default(AS_TRACED.dtype),
    )
    .addOption(
      new Option('--arithmetic <type>', 'what products with weights are computed in')
        .choices(arithmetic.unwrap().options)
        .default(AS_TRACED.arithmetic),
    )
    .addOption(
      new Option('--execution <kind>', 'graph: as traced; xla: training and the vision tower compiled')
        .choices(execution.options)
        .default(AS_TRACED.execution),
    );
};

/** What the options mean on this machine. Throws `BadCompute` where they contradict each other. */
export const computeOf = ({ dtype, arithmetic, execution }: ComputeOptions): Promise<ResolvedCompute> =>
  resolveCompute(
    {
      dtype,
      arithmetic,
      execution,
      intraOpThreads: Number(process.env['TF_NUM_INTRAOP_THREADS'] ?? defaultThreads),
    },
    probesFolder(),
  );
