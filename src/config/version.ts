import { readFileSync } from 'node:fs';

/** This ollana's version, from the package it runs in (src and dist lie equally deep). */
export const VERSION: string = readVersion();

function readVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
