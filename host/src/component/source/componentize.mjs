// Makes a component of an ES module. Run by wisp, in the directory of the sources, so that the tool is the project's own
// and file names in stacks are short.
import { spawnSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { componentize } from '@bytecodealliance/componentize-js';

const { entry, wit, world, output } = JSON.parse(process.argv[1]);

try {
  const { component } = await componentize({
    sourcePath: entry,
    witPath: wit,
    worldName: world,
    // An HTTP function gets its request by the world's own export: the engine's fetch event would be a second one.
    disableFeatures: ['fetch-event'],
  });
  await writeFile(output, component);
} catch (error) {
  // The stack would show the tool's own lines.
  console.error((await syntaxError(entry)) ?? error.message);
  process.exit(1);
}

// The tool says that a file does not parse, but not where. Node.js does.
async function syntaxError(file) {
  const check = spawnSync(process.execPath, ['--input-type=module', '--check'], { input: await readFile(file) });
  if (check.status === 0) return undefined;
  return check.stderr.toString().replace('[stdin]', basename(file)).replace(/\n\s+at [^]*/, '');
}
