/** How `synthesize` reaches its teacher; where that is, with which key and how persistently is not its affair. */

export interface TeacherRequest {
  readonly model: string;
  /** The paradigm, as a hard constraint. */
  readonly system: string;
  /** The case: its images as data URLs, then its text. */
  readonly images: readonly string[];
  readonly text: string;
  readonly temperature: number | undefined;
  readonly maxTokens: number;
}

export interface TeacherAnswer {
  /** Model as the teacher names it. */
  readonly model: string;
  readonly text: string;
  /** `error`: the teacher refused this very request as bad; asking again would not help. */
  readonly finishReason: 'stop' | 'length' | 'refusal' | 'error';
  readonly promptTokens: number;
  readonly completionTokens: number;
}

export interface TeacherPort {
  /** Requests that may be under way at once. */
  readonly maxInFlight: number;
  /** Answers, after as many retries as the port was made with. Throws where no answer can be had. */
  ask(request: TeacherRequest, signal: AbortSignal): Promise<TeacherAnswer>;
}
