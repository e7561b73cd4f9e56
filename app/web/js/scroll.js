/** Where the reader is: the newest words stay in view while an answer grows, unless the reader has gone elsewhere. */

const NEAR_PIXELS = 60;

export class Follower {
  #scroller;
  #button;
  #isPinned = true;

  constructor(scroller, content, button) {
    this.#scroller = scroller;
    this.#button = button;
    scroller.addEventListener("scroll", () => this.#look(), { passive: true });
    // What a click unfolds must not run away from under it.
    content.addEventListener("click", () => (this.#isPinned = false));
    button.addEventListener("click", () => this.toEnd());
    const sizes = new ResizeObserver(() => (this.#isPinned ? this.toEnd() : this.#look()));
    sizes.observe(content);
    sizes.observe(scroller);
  }

  toEnd() {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#look();
  }

  toStart() {
    this.#isPinned = false;
    this.#scroller.scrollTop = 0;
  }

  #look() {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    const below = scrollHeight - scrollTop - clientHeight;
    this.#isPinned = below < NEAR_PIXELS;
    this.#button.hidden = below < clientHeight / 2;
  }
}

/** Let `change` add to `content`'s beginning without moving what is on the screen. */
export function keepPlace(content, change) {
  const before = content.offsetHeight;
  change();
  const scroller = content.closest("#scroller");
  if (scroller && before > 0) scroller.scrollTop += content.offsetHeight - before;
}
