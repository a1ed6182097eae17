// Axes: few ticks, thin lines across, and words where numbers alone would not do.
const MARGIN = { top: 10, right: 14, bottom: 24, left: 46 };

// The values' range: shares from 0 to 1; others from 0 where that costs less than half of the room.
function rangeOf(values, unit) {
  if (unit === "share") return [0, 1];
  let [low, high] = d3.extent(values);
  if (low === undefined) return [0, 1];
  if (low > 0 && low < high / 2) low = 0;
  if (high < 0 && high > low / 2) high = 0;
  if (low === high) [low, high] = low ? [Math.min(0, 2 * low), Math.max(0, 2 * low)] : [0, 1];
  return [low, high];
}

function leftAxis(y, width, unit) {
  const ticks = y.ticks(4);
  return svg(
    "g",
    { class: "axis", "aria-hidden": true },
    ticks.map((tick) => [
      svg("path", { class: tick === 0 ? "zero" : "grid", d: `M${MARGIN.left},${y(tick)}H${width - MARGIN.right}` }),
      svg("text", { x: MARGIN.left - 6, y: y(tick), dy: "0.32em", "text-anchor": "end" }, figure(tick, unit)),
    ]),
  );
}

function bottomAxis(x, width, height, label, format = d3.format(",")) {
  const ticks = x.ticks(Math.max(2, Math.floor(width / 64))).filter(Number.isInteger); // steps, or parameters
  const bottom = height - MARGIN.bottom;
  const name = svg("text", { x: 0, y: height - 6, class: "name" }, label);
  const isFree = (tick) => x(tick) > 7 * label.length + 14;
  return svg(
    "g",
    { class: "axis", "aria-hidden": true },
    svg("path", { class: "base", d: `M${MARGIN.left},${bottom}H${width - MARGIN.right}` }),
    ticks.map((tick) => [
      svg("path", { class: "base", d: `M${x(tick)},${bottom}v4` }),
      isFree(tick) && svg("text", { x: x(tick), y: height - 6, "text-anchor": "middle" }, format(tick)),
    ]),
    name,
  );
}

const canvas = (width, height, label, ...children) =>
  svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label }, ...children);
