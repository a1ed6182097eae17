// Amounts upon each other at each step: seconds of each phase.
function drawStack(chart, width) {
  const height = LINES_HEIGHT;
  const steps = stepsOf(chart);
  const maps = chart.lines.map((line) => new Map(line.points));
  const layers = d3.stack().keys(d3.range(maps.length)).value((step, key) => maps[key].get(step) ?? 0)(steps);
  const x = d3.scaleLinear(domainOf(steps), [MARGIN.left, width - MARGIN.right]);
  // one slow step (a validation, a first compilation) would flatten all others
  const sums = (layers[layers.length - 1] ?? []).map((part) => part[1]).sort((a, b) => a - b);
  const high = sums.length > 20 ? Math.min(sums[sums.length - 1], 2 * d3.quantileSorted(sums, 0.95)) : sums[sums.length - 1];
  const y = d3.scaleLinear([0, high || 1], [height - MARGIN.bottom, MARGIN.top]).clamp(true);
  const area = d3.area((_, index) => x(steps[index]), (part) => y(part[0]), (part) => y(part[1])).curve(d3.curveStepAfter);
  const id = `stripes-${chart.name}`;
  const bar = svg("path", { class: "cursor", d: `M0,${MARGIN.top}V${height - MARGIN.bottom}`, visibility: "hidden" });
  const drawing = canvas(
    width,
    height,
    described(chart, stylesOf(chart.lines)),
    svg("defs", {}, stripes(id, "on-area")),
    layers.map((layer, index) => [
      svg("path", { class: `area ${colourOf(index)}`, d: area(layer) }),
      index % 2 === 1 && svg("path", { class: "striped", d: area(layer), fill: `url(#${id})` }),
    ]),
    leftAxis(y, width, chart.unit),
    bottomAxis(x, width, height, "step"),
    bar,
  );
  return { drawing, x, steps, bar };
}
