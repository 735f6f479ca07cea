/** A frozen model with the adapter that a training's parameters describe. */
import type { SftParams } from '../../../schemas/sft-params.ts';
import type { Parameters } from '../linear.ts';
import type { ModelConfig } from '../models/config.ts';
import { baseVariables } from '../models/parameters.ts';
import type { DType } from '../ops/dtype.ts';
import type { Trace } from '../ops/trace.ts';
import { adapterLayout, adapterPairs, trainsTower } from './adapter.ts';
import type { TrainedModel } from './entries.ts';
import { trainedTensors } from './trainer.ts';

/** The frozen weights alone, held in `dtype`. */
export const frozenParameters =
  (config: ModelConfig, dtype: DType) =>
  (t: Trace): Parameters => ({ base: baseVariables(t, config, dtype) });

export const adaptedModel = (
  config: ModelConfig,
  params: Pick<SftParams, 'rank' | 'alpha' | 'targets' | 'dropout' | 'recompute'>,
  dtype: DType,
): TrainedModel => {
  const { rank, alpha, targets, dropout, recompute } = params;
  return {
    config,
    layout: adapterLayout(config, rank, targets),
    parameters: (t, trained) => ({
      ...frozenParameters(config, dtype)(t),
      lora: adapterPairs(config, trained, alpha / rank, targets),
    }),
    trainsTower: trainsTower(targets),
    dropout,
    recompute,
  };
};

/** What images are embedded with outside of gradient entries: the model as it stands where its tower is trained. */
export const towerParameters = (
  model: TrainedModel,
  frozen: (t: Trace) => Parameters,
): ((t: Trace) => Parameters) =>
  model.trainsTower === true ? (t) => model.parameters(t, trainedTensors(t, model.layout)) : frozen;
