// What was made from what, from left to right; a box stands one column after the last thing that it was made from.
const BOX = { width: 176, height: 46, apart: 14, between: 56 };
const KINDS = { artifact: "■", model: "●", data: "▤", code: "◆" };
const STATES = { ok: "", missing: " ✕ missing", changed: " ! changed", unchecked: "" };

function columnsOf(boxes, arrows) {
  const column = new Map(boxes.map((box) => [box.id, 0]));
  for (let round = 0; round < boxes.length; round += 1) {
    let isMoved = false;
    for (const { source, target } of arrows) {
      const least = column.get(source) + 1;
      if (column.get(target) >= least || least > boxes.length) continue;
      column.set(target, least);
      isMoved = true;
    }
    if (!isMoved) break;
  }
  // what has no source stands right before its first use
  for (const box of boxes) {
    if (arrows.some((arrow) => arrow.target === box.id)) continue;
    const uses = arrows.filter((arrow) => arrow.source === box.id).map((arrow) => column.get(arrow.target));
    if (uses.length) column.set(box.id, Math.min(...uses) - 1);
  }
  return column;
}

// Within a column, a box stands near the mean of its neighbours: two sweeps each way.
function placesOf(boxes, arrows) {
  const column = columnsOf(boxes, arrows);
  const columns = d3.range(Math.max(...column.values()) + 1).map((index) => boxes.filter((box) => column.get(box.id) === index));
  const place = new Map();
  const settle = (list) => list.forEach((box, index) => place.set(box.id, index - (list.length - 1) / 2));
  columns.forEach(settle);
  const pull = (from, to) => (list) => {
    const wish = (box) => d3.mean(arrows.filter((arrow) => arrow[to] === box.id), (arrow) => place.get(arrow[from])) ?? place.get(box.id);
    list.sort((a, b) => wish(a) - wish(b));
    settle(list);
  };
  for (let sweep = 0; sweep < 8; sweep += 1) {
    columns.forEach(pull("source", "target"));
    [...columns].reverse().forEach(pull("target", "source"));
  }
  return { column, place, columns };
}

function startLineage(node) {
  const { boxes, arrows } = report.lineage;
  const { column, place, columns } = placesOf(boxes, arrows);
  const tallest = Math.max(...columns.map((list) => list.length));
  const width = columns.length * (BOX.width + BOX.between) - BOX.between + 4;
  const height = tallest * (BOX.height + BOX.apart) - BOX.apart + 4;
  const left = (id) => 2 + column.get(id) * (BOX.width + BOX.between);
  const middle = (id) => height / 2 + place.get(id) * (BOX.height + BOX.apart);
  const drawn = canvas(width, height, `Lineage: ${boxes.length} boxes and ${many(arrows.length, "arrow")}; the table below says the same`);
  const tip = svg("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 8, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto" }, svg("path", { class: "arrow-tip", d: "M0,0L8,4L0,8Z" }));
  drawn.append(svg("defs", {}, tip));
  for (const arrow of arrows) {
    const [from, to] = [[left(arrow.source) + BOX.width, middle(arrow.source)], [left(arrow.target), middle(arrow.target)]];
    const bend = Math.max(24, (to[0] - from[0]) / 2);
    const path = `M${from}C${from[0] + bend},${from[1]} ${to[0] - bend},${to[1]} ${to}`;
    drawn.append(svg("path", { class: "arrow", "data-from": arrow.source, "data-to": arrow.target, d: path, "marker-end": "url(#arrow)" }, svg("title", {}, arrow.role)));
  }
  for (const box of boxes) drawn.append(boxOf(box, left(box.id), middle(box.id)));
  drawn.style.minWidth = `${width}px`;
  node.replaceChildren(drawn);
  letTrace(drawn);
}

// A box under the pointer, or in focus, shows its own arrows.
function letTrace(drawn) {
  const trace = (id) => {
    drawn.classList.toggle("traced", id !== null);
    for (const arrow of drawn.querySelectorAll(".arrow")) {
      arrow.classList.toggle("own", arrow.dataset.from === id || arrow.dataset.to === id);
    }
  };
  for (const box of drawn.querySelectorAll(".box")) {
    box.addEventListener("pointerenter", () => trace(box.dataset.id));
    box.addEventListener("pointerleave", () => trace(null));
  }
}

function boxOf(box, left, middle) {
  const name = box.name.length > 27 ? `…${box.name.slice(-26)}` : box.name;
  return svg(
    "g",
    { class: `box ${box.kind} ${box.state}`, "data-id": box.id, transform: `translate(${left},${middle - BOX.height / 2})` },
    svg("title", {}, `${box.label}: ${box.name}\n${box.digest}`),
    svg("rect", { width: BOX.width, height: BOX.height, rx: 6 }),
    svg("text", { x: 10, y: 19, class: "box-label" }, `${KINDS[box.kind]} ${short(box.label, 22)}${STATES[box.state]}`),
    svg("text", { x: 10, y: 36, class: "box-name" }, name),
  );
}
