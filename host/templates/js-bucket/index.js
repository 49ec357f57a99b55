// Called when a file comes to the directory uploads/, or goes: counts the words of texts.

import { readFile } from "node:fs/promises";

export async function handler(event) {
  const [{ eventName, oss }] = JSON.parse(event.toString()).events;
  const { key, size } = oss.object;
  console.log(`${eventName} ${key}, ${size} bytes`);
  if (!eventName.startsWith("ObjectCreated")) {
    return { key };
  }
  // The function sees its own directory, and the bucket in it, as /code.
  const text = await readFile(`/code/uploads/${key}`, "utf8");
  const words = text.split(/\s+/).filter(Boolean).length;
  console.log(`${key} has ${words} words`);
  return { key, words };
}
