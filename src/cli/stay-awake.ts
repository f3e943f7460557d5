import { MessageChannel } from 'node:worker_threads';

/** Keeps the process alive until called back: timers of the clock do not, nor does a server that is silent. */
export function stayAwake(): () => void {
  const { port1, port2 } = new MessageChannel();
  port1.on('message', () => {});
  return () => {
    port1.close();
    port2.close();
  };
}
