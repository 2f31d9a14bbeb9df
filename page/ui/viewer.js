// Before and after, one over the other, divided by a line that is moved with a slider, a pointer or the arrow keys.

const STEP = 1.5;
const LIMITS = [0.02, 16];

export class Viewer {
  #stage = document.getElementById("stage");
  #pictures = document.getElementById("pictures");
  #before = document.getElementById("before");
  #divider = document.getElementById("divider");
  #split = document.getElementById("split");
  #size = null; // of the result, in pixels
  #zoom = 0; // screen pixels for one of the result; 0 fits the stage

  constructor() {
    const on = (id, work) => document.getElementById(id).addEventListener("click", work);
    on("zoom-in", () => this.zoom(this.#shown() * STEP));
    on("zoom-out", () => this.zoom(this.#shown() / STEP));
    on("zoom-fit", () => this.zoom(0));
    on("zoom-full", () => this.zoom(1 / devicePixelRatio));
    this.#split.addEventListener("input", () => this.#divide());
    this.#stage.addEventListener("scroll", () => this.#divide());
    this.#stage.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    for (const kind of ["pointerdown", "pointermove"])
      this.#stage.addEventListener(kind, (event) => this.#drag(event));
    new ResizeObserver(() => this.#lay()).observe(this.#stage);
  }

  /** Show a picture's original and its result, or nothing. */
  show(item) {
    const result = item?.result;
    document.getElementById("viewer").hidden = !result;
    if (!result) return;
    document.getElementById("viewer-title").textContent = item.name;
    const after = document.getElementById("after");
    if (after.src !== result.url) {
      this.#before.src = item.url;
      after.src = result.url;
      this.#size = { width: result.width, height: result.height };
      this.#zoom = 0;
    }
    this.#lay();
  }

  zoom(value) {
    const centre = this.#stage.scrollLeft + this.#stage.clientWidth / 2;
    const middle = this.#stage.scrollTop + this.#stage.clientHeight / 2;
    const before = this.#shown();
    this.#zoom = value && Math.min(LIMITS[1], Math.max(LIMITS[0], value));
    this.#lay();
    const ratio = this.#shown() / before;
    this.#stage.scrollTo(centre * ratio - this.#stage.clientWidth / 2, middle * ratio - this.#stage.clientHeight / 2);
  }

  #shown() {
    if (this.#zoom || !this.#size) return this.#zoom || 1;
    const room = Math.min(innerHeight * 0.7, 768);
    return Math.min(this.#stage.clientWidth / this.#size.width, room / this.#size.height, LIMITS[1]);
  }

  #lay() {
    if (!this.#size) return;
    const zoom = this.#shown();
    this.#pictures.style.width = `${this.#size.width * zoom}px`;
    this.#pictures.style.height = `${this.#size.height * zoom}px`;
    document.getElementById("zoom").textContent = `${Math.round(100 * zoom * devicePixelRatio)} %`;
    this.#divide();
  }

  /** The line is at a share of what can be seen, so that it stays in sight however large the picture is. */
  #divide() {
    const width = this.#pictures.offsetWidth;
    const seen = Math.min(width, this.#stage.clientWidth);
    const at = Math.min(width, this.#stage.scrollLeft + (seen * this.#split.value) / 100);
    this.#before.style.clipPath = `inset(0 ${width - at}px 0 0)`;
    this.#divider.style.left = `${at}px`;
  }

  #drag(event) {
    if (!(event.buttons & 1) || event.pointerType === "touch") return;
    const box = this.#pictures.getBoundingClientRect();
    const left = Math.max(box.left, this.#stage.getBoundingClientRect().left);
    const seen = Math.min(box.width, this.#stage.clientWidth);
    this.#split.value = (100 * (event.clientX - left)) / seen;
    this.#divide();
  }

  #wheel(event) {
    if (!event.ctrlKey) return; // the page scrolls
    event.preventDefault();
    this.zoom(this.#shown() * (event.deltaY < 0 ? STEP : 1 / STEP));
  }
}
