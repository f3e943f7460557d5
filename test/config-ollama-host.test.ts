import { describe, expect, it } from 'vitest';
import { parseOllamaHost } from '../src/config/ollama-host.ts';

describe('OLLAMA_HOST is read as Ollama reads it', () => {
  it.each([
    ['', 'http://127.0.0.1:11434'],
    ['gpu1', 'http://gpu1:11434'],
    ['gpu1:1234', 'http://gpu1:1234'],
    [':1234', 'http://127.0.0.1:1234'],
    ['1.2.3.4', 'http://1.2.3.4:11434'],
    ['http://gpu1', 'http://gpu1'],
    ['http://gpu1:80', 'http://gpu1'],
    ['http://gpu1:11434', 'http://gpu1:11434'],
    ['https://gpu1', 'https://gpu1'],
    ['https://gpu1:8443', 'https://gpu1:8443'],
    ['HTTP://gpu1:1', 'http://gpu1:1'],
    ['http://:56789', 'http://127.0.0.1:56789'],
    ['0.0.0.0', 'http://127.0.0.1:11434'],
    ['0.0.0.0:1234', 'http://127.0.0.1:1234'],
    ['http://0.0.0.0:1234/', 'http://127.0.0.1:1234'],
    ['::', 'http://[::1]:11434'],
    ['[::]:1234', 'http://[::1]:1234'],
    ['[0:0:0:0:0:0:0:0]:1234', 'http://[::1]:1234'],
    ['::1', 'http://[::1]:11434'],
    ['[::1]', 'http://[::1]:11434'],
    ['[fd00::7]:1234', 'http://[fd00::7]:1234'],
    ['gpu1/', 'http://gpu1:11434'],
    ['gpu1:1234/ollama/', 'http://gpu1:1234/ollama'],
    ['https://gpu1/a/b', 'https://gpu1/a/b'],
    ['"gpu1:1234"', 'http://gpu1:1234'],
    [" 'gpu1:1234' ", 'http://gpu1:1234'],
    ['ollama.com', 'https://ollama.com'],
    ['gpu1:', 'http://gpu1:11434'],
    ['gpu1:66000', 'http://gpu1:11434'],
    ['gpu1:-1', 'http://gpu1:11434'],
    ['gpu1:http', 'http://gpu1:11434'],
    ['https://gpu1:66000', 'https://gpu1'],
    ['[fe80::1%eth0]:11434', 'http://[fe80::1%eth0]:11434'],
  ])('%j means %s', (text, url) => {
    expect(parseOllamaHost(text)).toBe(url);
  });

  it.each(['ftp://gpu1', 'a b', 'http://u:p@gpu1', 'gpu1:1?x', 'http://', 'fe80::1:zz', 'gpu1:0'])(
    '%j is refused or read, never thrown about in another way',
    (text) => {
      try {
        expect(URL.canParse(parseOllamaHost(text))).toBe(true);
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError);
      }
    },
  );

  it('a port that is none is refused where it was typed for ollana', () => {
    expect(() => parseOllamaHost('gpu1:66000', 'refuse')).toThrow(RangeError);
    expect(() => parseOllamaHost('gpu1:http', 'refuse')).toThrow('1 to 65535');
  });
});
