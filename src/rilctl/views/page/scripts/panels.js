// Scores on one scale from 0 to the end: accuracy before and after, benchmarks as bars, pictures that were swapped.
const ROW_HEIGHT = 24;

// `rows` are {name, marks: [{value, low, high, kind, label}]}; a mark is a dot, or a bar from 0.
function scoreRows(rows, width, end, unit, title) {
  const longest = Math.max(...rows.map((row) => row.name.length));
  const left = Math.min(width * 0.42, Math.max(72, 7.2 * longest + 12));
  const right = rows.some((row) => row.marks.length > 1) ? 104 : 48;
  const height = rows.length * ROW_HEIGHT + 24;
  const x = d3.scaleLinear([0, end], [left, width - right]);
  const id = `stripes-${title.replace(/\W+/g, "-")}`;
  const grid = x.ticks(Math.max(2, Math.floor((width - left - right) / 80))).map((tick) => [
    svg("path", { class: tick ? "grid" : "base", d: `M${x(tick)},2V${height - 20}` }),
    svg("text", { x: x(tick), y: height - 6, "text-anchor": "middle" }, figure(tick, unit)),
  ]);
  const said = rows.map((row) => `${row.name}: ${row.marks.map((one) => `${one.label} ${figure(one.value, unit)}`.trim()).join(", ")}`);
  return canvas(
    width,
    height,
    `${title}. ${said.join("; ")}`,
    svg("defs", {}, stripes(id, "c7")),
    svg("g", { class: "axis", "aria-hidden": true }, grid),
    rows.map((row, index) => scoreRow(row, index * ROW_HEIGHT + ROW_HEIGHT / 2 + 2, { left, width, x, unit, id })),
  );
}

function scoreRow(row, at, { left, width, x, unit, id }) {
  const letters = Math.floor((left - 8) / 7.2);
  const last = row.marks[row.marks.length - 1];
  const joined = row.marks.length > 1 && svg("path", { class: "joined", d: `M${x(row.marks[0].value)},${at}H${x(last.value)}` });
  return svg(
    "g",
    { class: "row" },
    svg("text", { class: "row-name", x: left - 8, y: at, dy: "0.32em", "text-anchor": "end" }, short(row.name, letters), svg("title", {}, row.name)),
    joined,
    row.marks.map((one) => [
      one.kind === "bar" && svg("rect", { class: "area c0", x: x(0), y: at - 8, width: Math.max(1, x(one.value) - x(0)), height: 16, rx: 2 }),
      one.kind === "reference" && svg("rect", { class: "reference", x: x(0), y: at - 8, width: Math.max(1, x(one.value) - x(0)), height: 16, rx: 2, fill: `url(#${id})` }),
      one.low !== null && one.low !== undefined && one.high !== null && whisker(one.kind === "before" ? "c7" : "c0", x(one.low), x(one.high), at, false),
      ["before", "after", "other"].includes(one.kind) &&
        svg("path", { class: `dot ${{ before: "c7 hollow", after: "c0", other: "c1" }[one.kind]}`, d: marker(one.marker ?? 0, 64), transform: `translate(${x(one.value)},${at})` }, svg("title", {}, `${one.label} ${figure(one.value, unit)}`)),
    ]),
    svg("text", { class: "row-value", x: width - 4, y: at, dy: "0.32em", "text-anchor": "end" }, row.marks.length > 1 ? `${figure(row.marks[0].value, unit)} → ${figure(last.value, unit)}`.replace(" % →", " →") : figure(last.value, unit)),
  );
}

const marked = (score, kind, label, index) => (score ? [{ ...score, kind, label, marker: index }] : []);
const keyOf = (entries) =>
  el("p", { class: "key" }, entries.map(([className, index, text]) => el("span", { class: "entry" }, svg("svg", { viewBox: "-6 -6 12 12", width: 12, height: 12, "aria-hidden": true }, svg("path", { class: `dot ${className}`, d: marker(index, 64) })), el("span", {}, text))));

function startAccuracies(node) {
  const rows = report.accuracies
    .map((one) => ({ name: report.accuracies.some((other) => other.run === one.run && other.source !== one.source) ? `${one.run}, ${one.source}` : one.run, marks: [...marked(one.before, "before", "before", 0), ...marked(one.after, "after", "after", 0)] }))
    .filter((row) => row.marks.length);
  if (!rows.length) return;
  whenSized(node, (width) => scoreRows(rows, width, 1, "share", "Accuracy before and after"));
  node.before(keyOf([["c7 hollow", 0, "before"], ["c0", 0, "after"]]));
}

function startPictureUse(node) {
  const rows = report.picture_use.map((use) => ({
    name: [use.name, use.benchmark].filter(Boolean).join(" · "),
    marks: [...marked(use.none, "other", "no picture", 1), ...marked(use.swapped, "before", "another's", 0), ...marked(use.own, "after", "own picture", 0)],
  }));
  whenSized(node, (width) => scoreRows(rows, width, 100, "", "Accuracy by picture"));
  node.before(keyOf([["c0", 0, "own picture"], ["c7 hollow", 0, "another’s"], ["c1", 1, "no picture"]]));
}

function startBenchmarks(node) {
  node.classList.add("panels");
  node.classList.toggle("wide", report.benchmarks.length === 1);
  for (const benchmark of report.benchmarks) {
    const rows = benchmark.bars.map((bar) => ({ name: bar.name, marks: [{ ...bar.score, kind: bar.kind === "run" ? "bar" : "reference", label: "" }] }));
    const place = el("div", { class: "drawing" });
    node.append(el("figure", { class: "panel" }, el("figcaption", {}, el("h3", {}, benchmark.name)), place));
    whenSized(place, (width) => scoreRows(rows, width, 100, "", benchmark.name));
  }
}
