// Draw chosen DiceBear avatars: node draw_figures.mjs REQUEST.json OUT_DIR
// REQUEST is [{style, options}, ...]. Writes OUT_DIR/<number>.svg in the same order, and OUT_DIR/styles.json with each
// style's creator and licence as the package declares them.
import fs from 'node:fs';
import path from 'node:path';
import { createAvatar } from '@dicebear/core';
import * as collection from '@dicebear/collection';

const [request, directory] = process.argv.slice(2);
const styles = {};
for (const [number, { style: name, options }] of JSON.parse(fs.readFileSync(request, 'utf8')).entries()) {
  const style = collection[name];
  styles[name] = { creator: style.meta.creator, licence: style.meta.license.name };
  // The mask cuts at the page's own edge, which the drawing program does anyway; without it drawing takes half as long.
  const svg = createAvatar(style, options).toString().replace('mask="url(#viewboxMask)"', '');
  fs.writeFileSync(path.join(directory, `${number}.svg`), svg);
}
fs.writeFileSync(path.join(directory, 'styles.json'), JSON.stringify(styles));
