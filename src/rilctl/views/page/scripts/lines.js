// Curves over steps: raw and thin behind their running mean where they are noisy, with a band where there is an interval.
const LINES_HEIGHT = 190;
const MAX_MARKED_POINTS = 14;

// Mean over the points around each; a twentieth of the curve, but no fewer than three points.
function running(points) {
  const half = Math.max(1, Math.round(points.length / 40));
  return points.map(([step], index) => {
    const around = points.slice(Math.max(0, index - half), index + half + 1);
    return [step, d3.mean(around, (point) => point[1])];
  });
}

function drawLines(chart, width, isSmooth) {
  const height = LINES_HEIGHT;
  const styles = stylesOf(chart.lines);
  const steps = stepsOf(chart);
  const values = chart.lines.flatMap((line) => [
    ...line.points.map((point) => point[1]),
    ...line.band.flatMap((part) => [part[1], part[2]]),
  ]);
  const x = d3.scaleLinear(domainOf(steps), [MARGIN.left, width - MARGIN.right]);
  const y = d3.scaleLinear(rangeOf(values, chart.unit), [height - MARGIN.bottom, MARGIN.top]);
  if (chart.unit !== "share") y.nice(4);
  const path = d3.line((point) => x(point[0]), (point) => y(point[1]));
  const area = d3.area((part) => x(part[0]), (part) => y(part[1]), (part) => y(part[2]));
  const smooths = isSmooth && chart.is_noisy;
  const drawn = chart.lines.map((line, index) => {
    const colour = colourOf(styles[index].colour);
    const isSmoothed = smooths && line.points.length > MAX_MARKED_POINTS;
    const bold = isSmoothed ? running(line.points) : line.points;
    return svg(
      "g",
      { class: "curve" },
      line.band.length > 1 && svg("path", { class: `band ${colour}`, d: area(line.band) }),
      isSmoothed && svg("path", { class: `line raw ${colour}`, d: path(line.points) }),
      svg("path", { class: `line ${colour}`, d: path(bold), "stroke-dasharray": dashOf(styles[index].dash) }),
      line.points.length <= MAX_MARKED_POINTS && line.points.map((point) => dot(styles[index], x(point[0]), y(point[1]))),
    );
  });
  const bar = svg("path", { class: "cursor", d: `M0,${MARGIN.top}V${height - MARGIN.bottom}`, visibility: "hidden" });
  const drawing = canvas(
    width,
    height,
    described(chart, styles),
    leftAxis(y, width, chart.unit),
    bottomAxis(x, width, height, "step"),
    warned(chart, x),
    drawn,
    bar,
  );
  // whether the curves are in the upper half there: what is told of them then stands below
  const isAbove = (step) => d3.mean(chart.lines.map((line) => pointAt(line.points, step)).filter(Boolean), (point) => y(point[1])) < height / 2;
  return { drawing, x, steps, bar, isAbove };
}

const domainOf = (steps) => (steps.length > 1 ? [steps[0], steps[steps.length - 1]] : [steps[0] - 0.5, steps[0] + 0.5]);

const dot = (style, x, y) =>
  svg("path", { class: `dot ${colourOf(style.colour)}`, d: marker(style.marker, 22), transform: `translate(${x},${y})` });

// Where a warning shows: a mark above the curves at each of its steps.
function warned(chart, x) {
  return report.signs
    .filter((sign) => sign.chart === chart.name)
    .map((sign) =>
      svg(
        "g",
        { class: "warned" },
        svg("title", {}, `${sign.title}${runNames.length > 1 ? ` (${sign.run})` : ""}`),
        sign.steps.map((step) => svg("path", { d: "M-4,0H4L0,7Z", transform: `translate(${x(step)},1)` })),
      ),
    );
}

// For a screen reader: each curve's first and last value.
function described(chart, styles) {
  const parts = chart.lines.map((line, index) => {
    const [first, last] = [line.points[0], line.points[line.points.length - 1]];
    return `${styles[index].name} from ${figure(first[1], chart.unit)} at step ${first[0]} to ${figure(last[1], chart.unit)} at step ${last[0]}`;
  });
  return `${chart.title}: ${parts.join("; ")}`;
}
