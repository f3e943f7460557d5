/*
 * Writes the pages that are made from the code: `npm run docs`. A test fails where one is not current.
 */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { COMMANDS_PAGE, commandsPage } from './commands-page.ts';

writeFileSync(fileURLToPath(new URL(`../../${COMMANDS_PAGE}`, import.meta.url)), commandsPage());
console.log(`${COMMANDS_PAGE} is current.`);
