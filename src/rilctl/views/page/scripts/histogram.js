// Rewards as bars, students beside teachers; a click or a drag over bars filters rows.
const MAX_VALUES = 12;

// Bars of the values themselves where these are few, else of twelve equal widths.
function binsOf(rewards) {
  const values = [...new Set(rewards)].sort((a, b) => a - b);
  if (values.length <= MAX_VALUES) return values.map((value) => ({ low: value, high: value, name: figure(value) }));
  const [low, high] = [values[0], values[values.length - 1]];
  const width = (high - low) / MAX_VALUES;
  return d3.range(MAX_VALUES).map((index) => {
    const from = low + index * width;
    const to = index === MAX_VALUES - 1 ? high : from + width;
    return { low: from, high: to, name: `${figure(from)} to ${figure(to)}`, isOpen: index < MAX_VALUES - 1 };
  });
}
const isIn = (bin, reward) =>
  reward !== null && reward >= bin.low && (bin.isOpen ? reward < bin.high : reward <= bin.high);

function drawHistogram(bins, counts, width, options) {
  const height = 120;
  const bottom = height - 30;
  const most = Math.max(1, ...counts.flat());
  const y = d3.scaleLinear([0, most], [bottom, 14]);
  const slot = (width - 8) / Math.max(1, bins.length);
  const half = Math.min(34, slot / 2 - 2);
  const nodes = bins.map((bin, index) => {
    const middle = 4 + slot * (index + 0.5);
    const name = `reward ${bin.name}: ${["student", "teacher"].map((side, at) => `${counts[index][at]} ${side}`).join(", ")} rows`;
    const bar = (at) => svg("rect", { class: `area c${at} ${at ? "teacher" : "student"}`, x: at ? middle + 1 : middle - half, y: y(counts[index][at]), width: half - 1, height: bottom - y(counts[index][at]) });
    const number = (at) => counts[index][at] > 0 && half > 12 && svg("text", { "aria-hidden": true, x: middle + (at ? half / 2 : -half / 2), y: y(counts[index][at]) - 3, "text-anchor": "middle" }, figure(counts[index][at]));
    const label = bins.length > 8 && index % 2 ? false : svg("text", { "aria-hidden": true, x: middle, y: height - 16, "text-anchor": "middle" }, bin.name.split(" to ")[0]);
    return svg("g", { class: "bin", "data-bin": index, "aria-label": name },
      svg("title", {}, name),
      svg("rect", { class: "back", x: 4 + slot * index, y: 0, width: slot, height: height - 12 }), bar(0), bar(1), number(0), number(1), label);
  });
  const drawing = canvas(width, height, options.label, svg("g", { class: "axis" }, nodes), svg("path", { class: "base", d: `M4,${bottom}H${width - 4}` }),
    svg("text", { class: "name", x: width - 4, y: height - 2, "text-anchor": "end" }, "reward"));
  if (options.choose) letChoose(drawing, nodes, options);
  return drawing;
}

function letChoose(drawing, nodes, { chosen, choose }) {
  drawing.setAttribute("role", "group");
  let from = null;
  const show = (range) => nodes.forEach((node, index) => {
    const isOn = range !== null && index >= range[0] && index <= range[1];
    node.setAttribute("aria-pressed", `${isOn}`);
    node.classList.toggle("off", range !== null && !isOn);
  });
  const finish = (range) => {
    from = null;
    const isSame = chosen() !== null && chosen()[0] === range[0] && chosen()[1] === range[1];
    choose(isSame ? null : range);
  };
  nodes.forEach((node, index) => {
    node.setAttribute("role", "button");
    node.setAttribute("tabindex", "0");
    const range = () => [Math.min(from, index), Math.max(from, index)];
    node.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      if (node.hasPointerCapture(event.pointerId)) node.releasePointerCapture(event.pointerId);
      from = index;
      show([index, index]);
    });
    node.addEventListener("pointerenter", () => from !== null && show(range()));
    node.addEventListener("pointerup", () => from !== null && finish(range()));
    node.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      finish([index, index]);
    });
  });
  drawing.addEventListener("pointerleave", () => {
    if (from === null) return;
    from = null;
    show(chosen());
  });
  show(chosen());
}
