// The page: which view an address asks for, the live stream that feeds it, and going from one to the next.

import { EntityView } from "./account.js";
import { AlertsView } from "./alerts.js";
import { BoardView } from "./board.js";
import { CampaignsView } from "./campaigns.js";
import { fill, hrefOf } from "./dom.js";
import { Live } from "./live.js";
import { encodeId } from "./names.js";
import { Status } from "./status.js";

const content = document.getElementById("content");
const status = new Status();
let view = null;

const live = new Live({
  stats: (data) => status.stats(data),
  board: (data) => view.board?.(data),
  score: (data) => view.score?.(data),
  changes: (data) => view.changes?.(data),
  alerts: (data) => view.alerts?.(data),
  state: (state) => {
    status.stream(state);
    if (state === "open") view.opened?.();
  },
});

function viewOf(query) {
  if (query.has("entity")) return new EntityView(query.get("entity"));
  if (query.get("view") === "campaigns") return new CampaignsView();
  if (query.get("view") === "alerts") return new AlertsView();
  return new BoardView(query, go);
}

/** Shows what the address asks for. */
function show() {
  const query = new URLSearchParams(location.search);
  view?.close?.();
  view = viewOf(query);
  fill(content, view.node);
  document.title = `${view.title} · Cloutstream`;
  const current = query.has("entity") ? "" : (query.get("view") ?? "board");
  for (const link of document.querySelectorAll("nav a")) {
    if (link.dataset.view === current) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  live.follow(view.asked);
}

/** Goes to an address; in place when `stays`: the view is told, not made anew. */
function go(query, stays = false) {
  const href = query.size ? `/?${query}` : "/";
  if (stays) {
    history.replaceState(null, "", href);
    live.follow(view.asked);
  } else {
    history.pushState(null, "", href);
    show();
  }
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a");
  const isPlain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  if (!link || !isPlain || link.origin !== location.origin || link.pathname !== "/" || link.hash) return;
  event.preventDefault();
  history.pushState(null, "", link.href);
  show();
  scrollTo(0, 0);
  content.focus({ preventScroll: true });
});

addEventListener("popstate", show);

document.querySelector(".find").addEventListener("submit", (event) => {
  event.preventDefault();
  const id = new FormData(event.target).get("account");
  if (!id) return;
  history.pushState(null, "", hrefOf(`account:${encodeId(id)}`));
  event.target.reset();
  show();
  content.focus({ preventScroll: true });
});

show();
