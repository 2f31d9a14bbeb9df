// The tags of the picture that is shown: scores, thresholds, and copying.

import { asLine, chosen, NOT_TRAINED, written } from "../engine/tagging.js";
import { listed, number, text } from "./texts.js";

export class Tags {
  #found = null;

  constructor(entry, say) {
    this.entry = entry;
    for (const id of ["general", "character"]) input(id).addEventListener("input", () => this.#fill());
    for (const kind of ["prompt", "caption"])
      input(`copy-${kind}`).addEventListener("click", () => copy(asLine(this.#chosen(), kind), say));
  }

  /** Show a picture's tags, or nothing. */
  show(item) {
    this.#found = item?.tags ?? null;
    document.getElementById("tagged").hidden = this.#found === null;
    if (this.#found !== null) this.#fill();
  }

  #chosen() {
    return chosen(this.#found, { general: input("general").valueAsNumber, character: input("character").valueAsNumber });
  }

  #fill() {
    for (const id of ["general", "character"]) input(`${id}-value`).value = input(id).valueAsNumber.toFixed(2);
    input("character-row").hidden = this.#found.character === NOT_TRAINED;
    const rating = this.#found.rating === NOT_TRAINED ? text("not_trained") : this.#found.rating[0].name;
    input("rating").textContent = text("rating", { rating });
    const tags = this.#chosen();
    const characters = this.#found.character === NOT_TRAINED ? [] : this.#found.character.map((tag) => tag.name);
    const rows = tags.map(({ name, score }) => {
      const row = document.createElement("li");
      row.dataset.category = characters.includes(name) ? "character" : "general";
      const value = Object.assign(document.createElement("span"), { className: "score", textContent: score.toFixed(2) });
      row.append(written(name, { escape: false }), value);
      return row;
    });
    const none = Object.assign(document.createElement("li"), { textContent: text("no_tags") });
    input("tag-list").replaceChildren(...(rows.length ? rows : [none]));
    for (const kind of ["prompt", "caption"]) input(`copy-${kind}`).disabled = !tags.length;
    input("tagger-about").textContent = described(this.entry);
  }
}

async function copy(line, say) {
  try {
    await navigator.clipboard.writeText(line);
    say(text("copied"));
  } catch {
    say(text("not_copied")); // the visitor or the browser said no; without https there is no clipboard
  }
}

/** What the tagger knows, and what it has never seen. */
function described({ general, characters, unseen }) {
  const sentences = [text("tagger_about", { general: number(general), characters: number(characters) })];
  if (unseen.length) sentences.push(text("tagger_unseen", { unseen: listed(unseen.map((what) => text(what))) }));
  return sentences.join(" ");
}

function input(id) {
  return document.getElementById(id);
}
