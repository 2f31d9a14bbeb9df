// Draw DiceBear avatars: node draw_avatars.mjs OUT_DIR '{"lorelei": 60, ...}'
// Writes OUT_DIR/<style>_<number>.svg and OUT_DIR/index.json. Everything follows from the seed, so two runs give equal files.
import fs from 'node:fs';
import path from 'node:path';
import { createAvatar } from '@dicebear/core';
import * as collection from '@dicebear/collection';

// The styles' own palettes hold natural hair only; illustrations use the whole wheel.
const HAIR = ['262626', '562306', '8a5a35', 'e5c35a', 'f5e3a1', 'c0392b', 'e8762b', 'e86fa5', 'f4a6c6', '9b59b6',
  '3f6fd8', '7fb2f0', '62c6cf', '3eac2c', '9a9a9a', 'eef0f4'];
const SKIN = ['ffffff', 'f9e0cc', 'f2d3b1', 'ecad80', 'c68642', '8d5524'];

const [directory, request] = process.argv.slice(2);
const index = [];
for (const [name, count] of Object.entries(JSON.parse(request))) {
  const style = collection[name];
  const properties = style.schema.properties ?? {};
  const palette = { backgroundColor: ['transparent'] };
  if (properties.hairColor) palette.hairColor = HAIR;
  // lorelei is black on white unless told otherwise: a quarter stays so, as a page of manga would.
  if (name === 'lorelei') palette.skinColor = SKIN;
  for (let number = 0; number < count; number++) {
    const inked = name === 'lorelei' && number % 4 === 0;
    const options = inked ? { backgroundColor: ['transparent'] } : palette;
    const file = `${name}_${String(number).padStart(3, '0')}.svg`;
    const avatar = createAvatar(style, { ...options, seed: `${name}-${number}` });
    fs.writeFileSync(path.join(directory, file), avatar.toString());
    index.push({ file, style: name, creator: style.meta.creator, licence: style.meta.license.name });
  }
}
fs.writeFileSync(path.join(directory, 'index.json'), JSON.stringify(index));
