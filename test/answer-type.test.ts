import { describe, expect, it } from 'vitest';
import { answerType } from '../src/ollama/answer-type.ts';

const JSON_TYPE = 'application/json; charset=utf-8';
const LINES = 'application/x-ndjson';
const EVENTS = 'text/event-stream';

describe('the type of an answer that has lost it', () => {
  it.each([
    ['/api/chat', { model: 'm' }, 200, LINES],
    ['/api/chat', { stream: true }, 200, LINES],
    ['/api/chat', { stream: null }, 200, LINES],
    ['/api/chat', { stream: false }, 200, JSON_TYPE],
    ['/api/chat?x=1', { STREAM: false }, 200, JSON_TYPE],
    ['/api/chat', { options: { stream: false } }, 200, LINES],
    ['/api/chat', 'no JSON', 400, JSON_TYPE],
    ['/api/chat', undefined, 200, LINES],
    ['/api/generate', {}, 200, LINES],
    ['/api/pull', { name: 'm' }, 200, LINES],
    ['/api/push', { stream: false }, 200, JSON_TYPE],
    ['/api/create', {}, 200, LINES],
    ['/api/embed', { stream: true }, 200, JSON_TYPE],
    ['/api/tags', '', 200, JSON_TYPE],
    ['/api/show', {}, 404, JSON_TYPE],
    ['/v1/chat/completions', { stream: true }, 200, EVENTS],
    ['/v1/chat/completions', {}, 200, JSON_TYPE],
    ['/v1/chat/completions', { stream: true }, 404, JSON_TYPE],
    ['/v1/messages', { stream: true }, 200, EVENTS],
    ['/v1/responses', { stream: true }, 200, EVENTS],
    ['/v1/models', '', 200, JSON_TYPE],
    ['/v1/models/m', '', 200, JSON_TYPE],
    ['/', '', 200, 'text/plain; charset=utf-8'],
    ['/api/delete', {}, 200, undefined],
    ['/api/copy', {}, 200, undefined],
    ['/api/copy', {}, 404, JSON_TYPE],
    ['/api/blobs/sha256:ab', '', 201, undefined],
    ['/api/chat', {}, 204, undefined],
    ['/favicon.ico', '', 200, undefined],
    ['/favicon.ico', '', 404, undefined],
  ])('%s %j %i', (target, body, status, type) => {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    const bytes = text === undefined ? undefined : Buffer.from(text);
    expect(answerType({ target, body: bytes, status })).toBe(type);
  });
});
