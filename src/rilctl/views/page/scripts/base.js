// The report, and how elements are made: foreign text goes through textContent alone, never through markup.
const report = JSON.parse(document.getElementById("report").textContent);
const runNames = report.runs.map((run) => run.name);
const byId = (id) => document.getElementById(id);

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

const el = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes, ...children) =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

// Numbers for people: shares as percent, large ones with a letter, small ones with three digits.
function figure(value, unit) {
  if (value === null || value === undefined) return "–";
  if (value < 0) return `−${figure(-value, unit)}`;
  if (unit === "share") return `${trimmed((100 * value).toFixed(1))} %`;
  if (unit === "s" && value < 0.001) return "0";
  if (value >= 1e4) return d3.format(".3~s")(value).replace(/(\D)$/, " $1").replace("G", "B");
  if (value >= 1000) return d3.format(",.0f")(value);
  if (value >= 100) return trimmed(value.toFixed(1));
  if (value >= 1e-3 || value === 0) return `${Number(value.toPrecision(3))}`;
  return value.toExponential(1);
}
const trimmed = (text) => text.replace(/\.0$/, "");
const signed = (value) => `${value < 0 ? "−" : "+"}${figure(Math.abs(value))}`;
const many = (number, one) => `${number.toLocaleString("en")} ${one}${number === 1 ? "" : "s"}`;
const short = (text, length) => (text.length > length ? `${text.slice(0, length - 1)}…` : text);

function say(text) {
  byId("said").textContent = text;
}

// A thumbnail, or a word where there is none.
function picture(digest, alt) {
  const found = report.pictures.by_digest[digest];
  if (!found || !found.data_uri.startsWith("data:image/")) return el("span", { class: "no-picture" }, "no picture");
  const size = `${found.full_width_px} × ${found.full_height_px} px`;
  return el("img", { src: found.data_uri, width: found.width_px, height: found.height_px, alt, title: size, class: found.width_px < 84 ? "tiny" : null });
}

// Drawn at the width that there is, and again when that changes. All widths are known before anything is drawn, and
// nothing is drawn while they are told: else each drawing would have the whole page laid out anew.
const drawers = new Map();
const widths = new ResizeObserver((entries) => {
  requestAnimationFrame(() => {
    for (const { target, contentRect } of entries) drawers.get(target)(Math.floor(contentRect.width));
    document.documentElement.dataset.ready = "yes";
  });
});

function whenSized(node, draw) {
  let drawn = 0;
  drawers.set(node, (width) => {
    if (width < 40 || Math.abs(width - drawn) < 2) return;
    drawn = width;
    node.replaceChildren(draw(width));
  });
  widths.observe(node);
}
