// Starts the client. A file of its own, so that the page needs no inline script and its policy no hash.
const { module, wasm } = document.getElementById("boot").dataset;
const note = document.getElementById("boot-note");

try {
  const { default: init } = await import(module);
  await init({ module_or_path: wasm });
  note.remove();
} catch (error) {
  console.error(error);
  note.textContent = `Portcullis could not start: ${error.message ?? error}. Reload the page; if that does not help, the browser may be too old or the build incomplete.`;
  note.hidden = false;
}
