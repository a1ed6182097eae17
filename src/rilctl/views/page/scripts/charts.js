// Every figure of training dynamics: legend, drawing, tooltip, table.
function startCharts() {
  const smooth = byId("smooth");
  for (const node of document.querySelectorAll("[data-chart]")) {
    const chart = report.charts.find((one) => one.name === node.dataset.chart);
    startChart(node, chart, smooth);
  }
}

function startChart(node, chart, smooth) {
  const isStack = chart.kind === "stack";
  const styles = isStack ? chart.lines.map((line, index) => ({ colour: index, name: line.label || line.metric, run: "", label: "" })) : stylesOf(chart.lines);
  const read = (line) => (step) => {
    const point = pointAt(line.points, step);
    return point ? figure(point[1], chart.unit) : "–";
  };
  const mark = (line, index) =>
    isStack ? block(index, index % 2 === 1) : swatch(styles[index], line.points.length <= MAX_MARKED_POINTS);
  legendOf(node.querySelector(".legend"), chart.lines.map((line, index) => ({ mark: mark(line, index), ...styles[index], read: read(line) })));
  tableOf(node.querySelector(".as-table"), chart);
  const place = node.querySelector(".drawing");
  const tip = el("div", { class: "tip", hidden: true });
  let bar, x, width, isAbove;
  const tell = (event, isSpoken) => {
    const texts = chart.lines.map((line, index) => `${styles[index].name} ${read(line)(cursor.step)}`);
    if (isSpoken) return `step ${cursor.step}: ${texts.join(", ")}`;
    tip.hidden = event === null;
    if (event === null) return "";
    const rows = chart.lines.map((line, index) => el("div", {}, mark(line, index), el("span", {}, styles[index].name), el("b", {}, read(line)(cursor.step))));
    tip.replaceChildren(el("div", { class: "tip-step" }, `step ${cursor.step.toLocaleString("en")}`), ...rows);
    tip.classList.toggle("low", isAbove ? isAbove(cursor.step) : false);
    tip.classList.toggle("left", x(cursor.step) > width / 2);
    tip.style.left = `${(100 * x(cursor.step)) / width}%`;
    return "";
  };
  const draw = (newWidth) => {
    width = newWidth;
    const drawn = isStack ? drawStack(chart, width) : drawLines(chart, width, smooth.checked);
    ({ bar, x, isAbove } = drawn);
    drawn.drawing.setAttribute("tabindex", "0");
    followPointer(drawn.drawing, x, drawn.steps, tell);
    const box = document.createDocumentFragment();
    box.append(drawn.drawing, tip);
    return box;
  };
  whenSized(place, draw);
  cursor.followers.push((step) => {
    if (!bar) return;
    bar.setAttribute("visibility", step === null ? "hidden" : "visible");
    if (step !== null) bar.setAttribute("transform", `translate(${x(step)},0)`);
  });
  if (chart.is_noisy) smooth.addEventListener("change", () => place.replaceChildren(draw(Math.floor(place.clientWidth))));
}
