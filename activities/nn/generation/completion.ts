export interface Completion {
  /** With the stop token, where one ended it. */
  readonly tokens: readonly number[];
  /** Log-probability of each token in nats, by softmax(logits / temperature); empty where decoding was greedy. */
  readonly logps: readonly number[];
  readonly finishReason: 'stop' | 'length';
}

export interface SamplingOptions {
  readonly maxNewTokens: number;
  readonly stopTokens: readonly number[];
  /** 0 is greedy. */
  readonly temperature: number;
  readonly seed: number;
}
