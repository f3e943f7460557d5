import { readFileSync } from 'node:fs';
import { packageFile } from '../package-files.ts';

/** This ollana's version, from the package it runs in. */
export const VERSION: string = readVersion();

function readVersion(): string {
  const text = readFileSync(packageFile('package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
