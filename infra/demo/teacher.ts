/**
 * The demo's teacher: a server on this machine that speaks OpenAI's chat-completions API. It knows the bank, reads the
 * case and its drawing from the request, reasons by Bayes' rule under the paradigm that the system message names, and
 * errs at stated rates (`slips.ts`). It is never told a gold answer.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { json } from 'node:stream/consumers';
import sharp from 'sharp';
import { readBank, type Bank } from '../../activities/clinic/bank.ts';
import { createDraws } from '../../activities/clinic/draws.ts';
import { reasonByBank } from '../../activities/clinic/reasoning.ts';
import { randomKey } from '../../activities/nn/random.ts';
import { ChatRequest, understand } from './chat-request.ts';
import { recogniseSign } from './recognise.ts';
import { pickSlip, REFUSAL, respond, TRANSIENT_RATE } from './slips.ts';

export const TEACHER_MODEL = 'clinic-teacher';

export interface TeacherOptions {
  /** 0 takes any free port. */
  readonly port: number;
  readonly key: string;
  /** File of the bank; relative paths count from the project's root. */
  readonly bank: string;
}

export interface RunningTeacher {
  readonly port: number;
  close(): Promise<void>;
}

/** An error as OpenAI's API reports it. */
class ApiError extends Error {
  override name = 'ApiError' as const;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
  }
}

const ROOT = path.resolve(import.meta.dirname, '../..');
const hashOf = (value: string | Buffer): string => createHash('sha256').update(value).digest('hex');
const tokensOf = (text: string): number => text.split(/\s+/).filter(Boolean).length;

/** Milliseconds that a rate-limited client is asked to wait. */
const RETRY_AFTER_MS = 20;

function createTeacher(bank: Bank) {
  const attempts = new Map<string, number>();
  const signs = new Map<string, Promise<string>>();

  /** The first attempt of some requests fails, as a busy service's does; the next one is answered. */
  function stumble(content: string): void {
    const attempt = attempts.get(content) ?? 0;
    attempts.set(content, attempt + 1);
    const draws = createDraws(randomKey(0, 'transient', content));
    if (attempt > 0 || !draws.chance(TRANSIENT_RATE)) return;
    if (draws.chance(0.5))
      throw new ApiError(429, 'rate limit reached', { 'retry-after-ms': String(RETRY_AFTER_MS) });
    throw new ApiError(500, 'the server had an error while processing your request');
  }

  async function readSign(png: Buffer): Promise<string> {
    const { data, info } = await sharp(png).toColourspace('b-w').raw().toBuffer({ resolveWithObject: true });
    const grey = Uint8Array.from(
      { length: info.width * info.height },
      (_, i) => data[i * info.channels] ?? 0,
    );
    return bank.signs[recogniseSign(grey)] ?? '';
  }

  /** A drawing is looked at once, though it is asked about under four paradigms. */
  function signOf(png: Buffer): Promise<string> {
    const name = hashOf(png);
    const sign = signs.get(name) ?? readSign(png);
    signs.set(name, sign);
    return sign;
  }

  return async function complete(request: ChatRequest) {
    if (request.model !== TEACHER_MODEL) throw new ApiError(404, `the model ${request.model} does not exist`);
    if (request.stream === true) throw new ApiError(400, 'stream is not supported');
    const content = hashOf(JSON.stringify(request.messages));
    stumble(content);
    const { paradigm, question, drawing } = understand(bank, request);
    const sign = drawing === null ? null : await signOf(drawing);
    const draws = createDraws(randomKey(0, 'answer', content));
    const said = respond(paradigm, reasonByBank(bank, { ...question, sign }), pickSlip(draws), draws);
    const [promptTokens, completionTokens] = [
      tokensOf(JSON.stringify(request.messages)),
      tokensOf(said ?? REFUSAL),
    ];
    return {
      id: `chatcmpl-${content.slice(0, 24)}`,
      object: 'chat.completion',
      created: Math.floor(Date.now() / 1000),
      model: TEACHER_MODEL,
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: said ?? null, refusal: said === undefined ? REFUSAL : null },
          logprobs: null,
          finish_reason: 'stop',
        },
      ],
      usage: {
        prompt_tokens: promptTokens,
        completion_tokens: completionTokens,
        total_tokens: promptTokens + completionTokens,
      },
    };
  };
}

const isKey = (header: string | undefined, key: string): boolean =>
  timingSafeEqual(Buffer.from(hashOf(header ?? ''), 'hex'), Buffer.from(hashOf(`Bearer ${key}`), 'hex'));

async function route(
  request: IncomingMessage,
  key: string,
  complete: ReturnType<typeof createTeacher>,
): Promise<object> {
  if (!isKey(request.headers.authorization, key)) throw new ApiError(401, 'incorrect API key provided');
  const target = `${request.method} ${new URL(request.url ?? '/', 'http://localhost').pathname}`;
  if (target === 'GET /v1/models')
    return { object: 'list', data: [{ id: TEACHER_MODEL, object: 'model', created: 0, owned_by: 'demo' }] };
  if (target !== 'POST /v1/chat/completions') throw new ApiError(404, `unknown request URL: ${target}`);
  const parsed = ChatRequest.safeParse(await json(request).catch(() => undefined));
  if (!parsed.success)
    throw new ApiError(400, `not a chat-completions request: ${parsed.error.issues[0]?.message ?? ''}`);
  try {
    return await complete(parsed.data);
  } catch (error) {
    // What the teacher does not understand is the request's fault.
    if (error instanceof ApiError) throw error;
    throw new ApiError(400, error instanceof Error ? error.message : String(error));
  }
}

function send(response: ServerResponse, status: number, body: object, headers: object = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
}

/** Starts the teacher on 127.0.0.1. Throws where the bank cannot be read or the port is taken. */
export async function startTeacher({ port, key, bank: file }: TeacherOptions): Promise<RunningTeacher> {
  const bank = readBank(JSON.parse(await readFile(path.resolve(ROOT, file), 'utf8')));
  const complete = createTeacher(bank);
  const server = createServer((request, response) => {
    route(request, key, complete).then(
      (body) => send(response, 200, body),
      (error: unknown) => {
        const { status, message, headers } =
          error instanceof ApiError
            ? error
            : new ApiError(500, error instanceof Error ? error.message : 'failed');
        const type = status < 500 ? 'invalid_request_error' : 'server_error';
        send(response, status, { error: { message, type, param: null, code: null } }, headers);
      },
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise<void>((resolve, reject) => {
        server.close((error) => (error ? reject(error) : resolve()));
        server.closeAllConnections();
      }),
  };
}
