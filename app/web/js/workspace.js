/** The page of somebody who is logged in, and how its parts speak to each other. */

import { loadAgents, showAgent } from "./agents.js";
import { ask } from "./api.js";
import { Composer } from "./composer.js";
import { $, say } from "./dom.js";
import { closeDrawer } from "./drawer.js";
import { MemoryDrawer } from "./memory-drawer.js";
import { loadModels } from "./models.js";
import { NameWatch } from "./naming.js";
import { Follower } from "./scroll.js";
import { nameOf } from "./session-item.js";
import { SessionList } from "./session-list.js";
import { Stage } from "./stage.js";
import { TEMPORARY, TemporaryMark } from "./temporary.js";

export class Workspace {
  constructor() {
    this.follower = new Follower($("scroller"), $("transcript"), $("to-end"));
    this.composer = new Composer({ onsend: (text, attachments) => this.#send(text, attachments), onstop: () => this.stage.current?.stop() });
    this.sessions = new SessionList({ renamed: (session) => this.#named(session), deleted: (session) => this.#deleted(session) });
    this.memories = new MemoryDrawer({ changed: (session) => this.#named(session) });
    this.temporary = new TemporaryMark({ opened: () => this.#startAnew(TEMPORARY), ...this.sessions.listener });
    this.names = new NameWatch((session) => this.#named(session));
    this.stage = new Stage({
      opened: (conversation) => this.#opened(conversation),
      found: (session) => this.#found(session),
      created: (conversation, session) => (this.sessions.add(session), this.#named(session)),
      turned: (conversation) => this.#turned(conversation),
      answered: (conversation) => this.#answered(conversation),
      refused: (message, attachments) => this.composer.restore(message, attachments),
    });
    this.#listen();
  }

  /** Fetch who is here and what there is; throw a Problem. */
  async open() {
    const [user] = await Promise.all([ask("GET", "auth/me"), loadModels(), loadAgents(), this.sessions.load()]);
    $("user-email").textContent = user.email;
    this.memories.user = user;
    $("workspace").hidden = false;
    await this.#show();
  }

  /** Leave nothing of this user on the page but a message that was not sent. */
  close() {
    $("workspace").hidden = true;
    this.names.clear();
    this.stage.close();
    this.sessions.clear();
    this.memories.clear();
    closeDrawer();
    document.title = "Milepost";
    say("");
  }

  #listen() {
    addEventListener("hashchange", () => this.stage.current && this.#show());
    $("new-session").addEventListener("click", () => this.#startAnew());
    $("sessions").addEventListener("click", (event) => event.target.closest("a") && closeDrawer());
    $("signs").addEventListener("click", ({ target }) => target.matches(".sign") && this.#send(target.textContent));
  }

  async #show() {
    await this.stage.open();
    if (this.stage.current?.sessionId) this.follower.toEnd();
    else this.follower.toStart();
  }

  #startAnew(address = location.pathname) {
    history.pushState(null, "", address);
    closeDrawer();
    this.#show();
  }

  #send(text, attachments = []) {
    this.stage.current.send(text, attachments);
    this.follower.toEnd();
  }

  #opened(conversation) {
    this.sessions.mark(conversation.sessionId);
    this.#title(conversation.sessionId ? "" : conversation.isTemporary ? "New temporary session" : "New session");
    this.temporary.show(null, !conversation.sessionId && conversation.isTemporary);
    showAgent(null);
    this.memories.session = null;
    if (conversation.session) this.#named(conversation.session);
    this.#turned(conversation);
    this.composer.focus();
  }

  #turned(conversation) {
    if (conversation !== this.stage.current) return;
    this.composer.isLive = conversation.isLive;
    this.composer.isStopping = conversation.isStopping;
    say(conversation.isLive ? "Answering." : "");
  }

  // The server names a session after its first message, and better after its first answer; a tool may name it at any time.
  async #answered(conversation) {
    say(conversation.isAsking ? "The agent asks you something." : "The answer is finished.");
    const session = await ask("GET", `sessions/${conversation.sessionId}`).catch(() => null);
    if (session && this.stage.current) this.#found(session);
  }

  #found(session) {
    this.#named(session);
    this.names.watch(session);
  }

  #named(session) {
    this.sessions.update(session);
    if (session.id !== this.stage.current?.sessionId) return;
    this.stage.current.session = session;
    this.temporary.show(session);
    showAgent(session);
    this.memories.session = session;
    this.sessions.mark(session.id);
    this.#title(nameOf(session));
  }

  // Of a temporary session nothing stays, nor what was about to be sent in it.
  #deleted({ id, temporary }) {
    if (this.stage.current.sessionId !== id) return;
    if (temporary) this.composer.discard();
    this.#startAnew();
  }

  #title(name) {
    $("session-title").textContent = name;
    document.title = name ? `${name} · Milepost` : "Milepost";
  }
}
