// A legend that is the readout as well: each curve's mark, its name, its value at the cursor's step.
function swatch(style, hasMarkers) {
  return svg(
    "svg",
    { viewBox: "0 0 26 10", width: 26, height: 10, "aria-hidden": true },
    svg("path", { class: `line ${colourOf(style.colour)}`, d: "M1,5H25", "stroke-dasharray": dashOf(style.dash) }),
    hasMarkers && svg("path", { class: `dot ${colourOf(style.colour)}`, d: marker(style.marker, 28), transform: "translate(13,5)" }),
  );
}

function block(colour, isStriped, side = "") {
  return svg(
    "svg",
    { viewBox: "0 0 12 10", width: 12, height: 10, "aria-hidden": true },
    svg("rect", { width: 12, height: 10, class: `area ${colourOf(colour)} ${side}` }),
    isStriped && svg("path", { d: "M0,10L10,0M5,11L13,3M-1,6L5,0", class: "stripe" }),
  );
}

// `entries` are {mark, name, run, label, read: (step) => value as text}; the legend follows the cursor. Where runs have
// several curves each, a run's stand in a row that begins with its name.
function legendOf(node, entries) {
  const values = entries.map(() => el("b", {}));
  const runs = [...new Set(entries.map((entry) => entry.run))];
  const isByRun = runs.length > 1 && runs.length < entries.length;
  const shown = ({ mark, name, label }, index) => el("span", { class: "entry" }, mark, el("span", {}, isByRun ? label : name), values[index]);
  const spans = entries.map(shown);
  const rowOf = (run) =>
    el("div", { class: "legend-run" }, el("span", { class: "faint" }, run), spans.filter((_, index) => entries[index].run === run));
  node.replaceChildren(...(isByRun ? runs.map(rowOf) : spans));
  const at = el("span", { class: "faint" });
  node.append(at);
  const follow = (step) => {
    at.textContent = step === null ? "last values" : `step ${step.toLocaleString("en")}`;
    tell(step);
  };
  const tell = (step) => entries.forEach(({ read }, index) => (values[index].textContent = read(step)));
  follow(cursor.step);
  cursor.followers.push(follow);
}
