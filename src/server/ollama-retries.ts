import { execFile } from 'node:child_process';

/** systemd answers in some 10 ms; one that does not is not waited for, ms. */
const ANSWER_LIMIT_MS = 2000;

/**
 * Whether the service Ollama is being started again and again, as it is where its port is somebody else's: systemd tells
 * so; elsewhere nobody does, and this is false. Never rejects.
 */
export function ollamaWantsPort(): Promise<boolean> {
  if (process.platform !== 'linux') return Promise.resolve(false);
  const args = ['show', 'ollama.service', '--property=SubState'];
  return new Promise((resolve) => {
    execFile('systemctl', args, { timeout: ANSWER_LIMIT_MS }, (error, text) => {
      resolve(error === null && isRetried(text));
    });
  });
}

/** What `systemctl show --property=SubState` says of a unit that fails and is tried again. Pure. */
export function isRetried(text: string): boolean {
  return /^SubState=auto-restart/m.test(text);
}
