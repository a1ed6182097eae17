// A chart as a table, made when it is opened: all steps of a short run, evenly spaced ones of a long one.
const MAX_TABLE_ROWS = 60;

function tableOf(details, chart) {
  const summary = details.querySelector("summary");
  details.addEventListener("toggle", () => {
    if (!details.open || details.querySelector("table")) return;
    const steps = stepsOf(chart);
    const every = Math.ceil(steps.length / MAX_TABLE_ROWS);
    const shown = steps.filter((_, index) => index % every === 0 || index === steps.length - 1);
    const styles = stylesOf(chart.lines);
    const maps = chart.lines.map((line) => new Map(line.points));
    const head = el("tr", {}, el("th", { scope: "col", class: "num" }, "Step"), styles.map((style) => el("th", { scope: "col", class: "num" }, style.name)));
    const row = (step) =>
      el(
        "tr",
        {},
        el("th", { scope: "row", class: "num" }, step.toLocaleString("en")),
        maps.map((map) => el("td", { class: "num" }, figure(map.get(step), chart.unit))),
      );
    const table = el("table", {}, el("caption", { class: "hidden" }, chart.title), el("thead", {}, head), el("tbody", {}, shown.map(row)));
    const note = every > 1 ? [el("p", { class: "caption" }, `Every ${every}th of ${steps.length} steps.`)] : [];
    details.replaceChildren(summary, el("div", { class: "scroll" }, table), ...note);
  });
}

const stepsOf = (chart) =>
  [...new Set(chart.lines.flatMap((line) => line.points.map((point) => point[0])))].sort((a, b) => a - b);
