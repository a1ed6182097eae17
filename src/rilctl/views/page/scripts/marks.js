// What tells curves apart, besides colour: dashes and markers. Colours are classes, so that themes and paper choose them.
const NUM_COLOURS = 8;
const DASHES = ["", "7 3", "2 3", "9 3 2 3", "12 4", "4 2 1 2", "1 2", "14 3 3 3"];
const SYMBOLS = [
  d3.symbolCircle,
  d3.symbolSquare,
  d3.symbolTriangle,
  d3.symbolDiamond,
  d3.symbolCross,
  d3.symbolStar,
  d3.symbolWye,
  d3.symbolCircle,
];
const colourOf = (index) => `c${index % NUM_COLOURS}`;
const dashOf = (index) => DASHES[index % DASHES.length];
const marker = (index, size = 36) => d3.symbol(SYMBOLS[index % SYMBOLS.length], size)();

// Of one run, its curves differ in all; of several, colour and marker say which run, and the dash says which curve.
const drawnRuns = [...new Set(report.charts.flatMap((chart) => chart.lines.map((line) => line.run)))];

function stylesOf(lines) {
  const labels = [...new Set(lines.map((line) => line.label))];
  const isOneRun = drawnRuns.length < 2;
  return lines.map((line) => {
    const run = drawnRuns.indexOf(line.run);
    const label = labels.indexOf(line.label);
    const name = [isOneRun ? "" : line.run, line.label].filter(Boolean).join(" · ") || line.run;
    const own = isOneRun ? label : run;
    return { colour: own, dash: labels.length > 1 ? label : run, marker: own, name, run: isOneRun ? "" : line.run, label: line.label };
  });
}

// A whisker of an interval, upright or lying.
function whisker(className, from, to, at, isUpright) {
  const cap = 3.5;
  const path = isUpright
    ? `M${at},${from}V${to}M${at - cap},${from}h${2 * cap}M${at - cap},${to}h${2 * cap}`
    : `M${from},${at}H${to}M${from},${at - cap}v${2 * cap}M${to},${at - cap}v${2 * cap}`;
  return svg("path", { class: `whisker ${className}`, d: path });
}

// Stripes for what colour alone would tell: references, every second phase.
function stripes(id, colour) {
  const line = svg("path", { d: "M0,5L5,0", class: `stripe ${colour}` });
  return svg("pattern", { id, width: 5, height: 5, patternUnits: "userSpaceOnUse" }, line);
}
