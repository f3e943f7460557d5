import { join } from 'node:path';
import { type Clock, systemClock } from '../src/clock.ts';
import { type ClientConfig, type CommonConfig, DEFAULTS } from '../src/config.ts';
import type { Log, LogFields } from '../src/observe/log.ts';

/** What both modes are told where a test does not care: loopback, free port, no discovery, own directory. */
export function commonConfig(dataDir: string, more: Partial<CommonConfig> = {}): CommonConfig {
  return {
    host: '127.0.0.1',
    port: 0,
    ollama: 'http://127.0.0.1:9',
    servers: [],
    discoveryPort: DEFAULTS.discoveryPort,
    interfaces: [],
    udp: false,
    mdns: false,
    dataDir,
    logFormat: 'auto',
    logLevel: 'silent',
    connectTimeoutMs: DEFAULTS.connectTimeoutMs,
    silenceTimeoutMs: 0,
    background: false,
    pidFile: join(dataDir, 'pid'),
    writesPidFile: false,
    name: 'test',
    origins: [],
    traces: false,
    ...more,
  };
}

/** The same for client mode, which leaves this machine's own Ollama out. */
export function clientConfig(dataDir: string, more: Partial<ClientConfig> = {}): ClientConfig {
  return {
    ...commonConfig(dataDir),
    mode: 'client',
    localFallback: false,
    policy: DEFAULTS.policy,
    raceWidth: DEFAULTS.raceWidth,
    holdMs: DEFAULTS.holdMs,
    protectContext: false,
    autoPull: false,
    ...more,
  };
}

/** A clock that runs `factor` times as fast as the machine's, so that minutes fit into a test. */
export function fasterClock(factor: number): Clock {
  return {
    now: () => systemClock.now() * factor,
    wall: () => systemClock.wall(),
    after: (ms, fn) => systemClock.after(ms / factor, fn),
    every: (ms, fn) => systemClock.every(ms / factor, fn),
  };
}

/** Keeps what is logged. */
export class TestLog implements Log {
  readonly lines: { level: string; message: string; fields: LogFields }[] = [];
  readonly debug = this.#keep('debug');
  readonly info = this.#keep('info');
  readonly warn = this.#keep('warn');
  readonly error = this.#keep('error');

  flush(): void {}

  writes(): boolean {
    return true;
  }

  /** Fields of all lines with this message. */
  said(message: string): readonly LogFields[] {
    return this.lines.filter((line) => line.message === message).map(({ fields }) => fields);
  }

  #keep(level: string): (message: string, fields?: LogFields) => void {
    return (message, fields = {}) => void this.lines.push({ level, message, fields });
  }
}
