// Fill in what the real front end makes of each saved workflow: `node capture.mjs http://127.0.0.1:8188 FOLDER`.
//
// Needs playwright-core (npm) beside it or in NODE_PATH, and a Chromium at $CHROMIUM. Every FOLDER/*.json holds
// {"workflow": ...}; after a run it holds {"workflow": ..., "prompt": ...} too, the prompt being what the front end would
// post for that file. Requests to any other host are cut off.
import { readdir, readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";

const { chromium } = createRequire(join(process.cwd(), "package.json"))("playwright-core");
const [url, folder] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"],
});
const page = await browser.newPage();
await page.route("**/*", (route) => {
  const { hostname, protocol } = new URL(route.request().url());
  const local = hostname === new URL(url).hostname || protocol === "data:" || protocol === "blob:";
  return local ? route.continue() : route.abort();
});
await page.goto(url);
await page.waitForFunction(() => window.app?.graph && window.LiteGraph?.registered_node_types["SaveImage"]);
await page.waitForTimeout(1500);
for (const name of (await readdir(folder)).filter((name) => name.endsWith(".json")).sort()) {
  const path = join(folder, name);
  const { workflow } = JSON.parse(await readFile(path, "utf8"));
  if (!workflow) continue;
  try {
    const prompt = await page.evaluate(async (graph) => {
      await window.app.loadGraphData(structuredClone(graph));
      return (await window.app.graphToPrompt()).output;
    }, workflow);
    await writeFile(path, JSON.stringify({ workflow, prompt }) + "\n");
  } catch (error) {
    console.error(`${name}: ${error.message.split("\n")[0]}`);
  }
}
await browser.close();
