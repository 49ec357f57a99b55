// Makes a component of an ES module. Run by wisp, in the directory of the sources, so that the tool is the project's own
// and file names in stacks are short.
import { writeFile } from 'node:fs/promises';
import { componentize } from '@bytecodealliance/componentize-js';

const { entry, wit, world, output } = JSON.parse(process.argv[1]);

// An HTTP function gets its request by the world's own export: the engine's fetch event would be a second one.
const { component } = await componentize({
  sourcePath: entry,
  witPath: wit,
  worldName: world,
  disableFeatures: ['fetch-event'],
});
await writeFile(output, component);
