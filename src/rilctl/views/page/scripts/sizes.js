// Size against score, one drawing for each suite: only means over the same suite can be compared.
function startSizes(node) {
  for (const suite of new Set(report.sizes.map((point) => point.suite))) {
    const points = report.sizes.filter((point) => point.suite === suite);
    const place = el("div", { class: "drawing" });
    node.append(el("figure", {}, el("figcaption", { class: "caption" }, suite.split(" ").map((word) => short(word, 20)).join(" ")), place));
    whenSized(place, (width) => drawSizes(points, width, suite));
  }
}

function drawSizes(points, width, suite) {
  const height = Math.max(220, Math.min(340, 60 + 26 * points.length));
  const [least, most] = d3.extent(points, (point) => point.num_parameters);
  const scores = points.flatMap((point) => [point.score.value, point.score.low ?? point.score.value, point.score.high ?? point.score.value]);
  const [low, high] = d3.extent(scores);
  const x = d3.scaleLog([least / 1.8, most * 1.8], [MARGIN.left, width - MARGIN.right]);
  const y = d3.scaleLinear([Math.max(0, low - 5), Math.min(100, high + 5)], [height - MARGIN.bottom, MARGIN.top]).nice(4);
  const axis = { ticks: (count) => logTicks(x, count) };
  const scale = Object.assign((value) => x(value), axis);
  return canvas(
    width,
    height,
    `Size against score, ${suite}. ${points.map((point) => `${point.name}: ${figure(point.num_parameters)} parameters, ${figure(point.score.value)} points`).join("; ")}`,
    leftAxis(y, width, ""),
    bottomAxis(scale, width, height, "parameters", (tick) => figure(tick).replace(" ", "")),
    points.map((point) => sizePoint(point, x, y, width)),
    placedNames(points, x, y, width),
  );
}

function logTicks(x, count) {
  const [low, high] = x.domain();
  const all = d3.range(Math.floor(Math.log10(low)), Math.ceil(Math.log10(high)) + 1).flatMap((power) => [1, 2, 5].map((digit) => digit * 10 ** power));
  const within = all.filter((tick) => tick >= low && tick <= high);
  const every = Math.ceil(within.length / count);
  return within.filter((_, index) => index % every === 0);
}

function sizePoint(point, x, y) {
  const at = x(point.num_parameters);
  const { low, high, value } = point.score;
  const isRun = point.kind === "run";
  return svg(
    "g",
    {},
    low !== null && high !== null && whisker(isRun ? "c0" : "c7", y(low), y(high), at, true),
    svg("path", { class: `dot ${isRun ? "c0" : "c7 hollow"}`, d: marker(isRun ? 0 : 3, 70), transform: `translate(${at},${y(value)})` }, svg("title", {}, `${point.name}: ${figure(value)}`)),
  );
}

// Names beside their points; one that would lie upon another moves down or up.
function placedNames(points, x, y, width) {
  const taken = [];
  return [...points]
    .sort((a, b) => b.score.value - a.score.value)
    .map((point) => {
      const isLeft = x(point.num_parameters) > width * 0.62;
      const at = x(point.num_parameters) + (isLeft ? -9 : 9);
      const name = short(point.name, 28);
      const span = isLeft ? [at - 6.4 * name.length, at] : [at, at + 6.4 * name.length];
      const isTaken = (top) => taken.some((other) => Math.abs(other.top - top) < 13 && span[0] < other.span[1] && other.span[0] < span[1]);
      const free = (top, by) => (isTaken(top) ? free(top + by, by) : top);
      const own = y(point.score.value);
      const below = free(own, 3);
      const top = below > y.range()[0] - 6 ? free(own, -3) : below;
      taken.push({ top, span });
      return svg("text", { class: `point-name ${point.kind}`, x: at, y: top, dy: "0.32em", "text-anchor": isLeft ? "end" : "start" }, name);
    });
}
