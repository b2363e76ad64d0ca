// Starts the client. A file of its own, so that the page needs no inline script and its policy no hash.
const { module, wasm } = document.getElementById("boot").dataset;
const note = document.getElementById("boot-note");
const root = document.documentElement;

// What a person chose is shown from the first paint on; `state::prefs` knows the same entries. Storage may be denied.
try {
  for (const name of ["theme", "density"]) {
    const chosen = localStorage.getItem(`portcullis.${name}`);
    if (chosen) root.setAttribute(`data-${name}`, chosen);
  }
  const surface = { light: "#ffffff", dark: "#16181a" }[root.dataset.theme];
  if (surface) document.querySelectorAll("[name=theme-color]").forEach((meta) => (meta.content = surface));
} catch {}

// Some phones lay their keyboard over the page instead of making it smaller. A page that is zoomed in is no keyboard.
visualViewport?.addEventListener("resize", () => {
  const { height, scale } = visualViewport;
  const covered = scale > 1.01 ? 0 : Math.max(0, Math.round(innerHeight - height));
  root.style.setProperty("--keyboard", `${covered}px`);
});

try {
  const { default: init } = await import(module);
  await init({ module_or_path: wasm });
  note.remove();
  keepShell();
} catch (error) {
  console.error(error);
  const chinese = navigator.language.startsWith("zh");
  note.textContent = chinese
    ? `Portcullis 无法启动:${error.message ?? error}。请重新加载页面;如果没有帮助,可能是浏览器太旧或构建不完整。`
    : `Portcullis could not start: ${error.message ?? error}. Reload the page; if that does not help, the browser may be too old or the build incomplete.`;
  note.hidden = false;
}

/** The service worker keeps the page itself for when there is no network, and hears clicks on notifications of phones. */
function keepShell() {
  const workers = navigator.serviceWorker;
  // Only on secure origins.
  if (!workers) return;
  workers.register("/sw.js").catch((error) => console.warn("the page is not kept for offline use:", error));
  workers.addEventListener("message", ({ data }) => {
    history.pushState(location.pathname, "", data.open);
    dispatchEvent(new PopStateEvent("popstate"));
  });
}
