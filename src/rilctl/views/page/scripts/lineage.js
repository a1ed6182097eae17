// What was made from what, from left to right; a box stands one column after the last thing that it was made from.
const BOX = { width: 176, height: 46, apart: 14, between: 56 };
const LANE = 6; // of an arrow that passes a column
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

// An arrow over several columns passes each of those between through a lane of its own, so that none runs behind a box;
// arrows from one box share theirs. Gives the lanes by column, and each arrow cut into parts from column to column.
function lanesOf(arrows, column) {
  const lanes = new Map();
  const parts = arrows.map((arrow) => {
    const path = [arrow.source];
    for (let at = column.get(arrow.source) + 1; at < column.get(arrow.target); at += 1) {
      const id = `lane ${at} ${arrow.source}`;
      lanes.set(id, at);
      path.push(id);
    }
    return { arrow, path: [...path, arrow.target] };
  });
  return { lanes, parts };
}

// Within a column, a box or a lane stands near the mean of its neighbours: eight sweeps each way.
function placesOf(boxes, arrows) {
  const column = columnsOf(boxes, arrows);
  const { lanes, parts } = lanesOf(arrows, column);
  for (const [id, at] of lanes) column.set(id, at);
  const links = parts.flatMap(({ path }) => d3.pairs(path));
  const ids = [...boxes.map((box) => box.id), ...lanes.keys()];
  const columns = d3.range(Math.max(...column.values()) + 1).map((index) => ids.filter((id) => column.get(id) === index));
  const heightOf = (id) => (lanes.has(id) ? LANE : BOX.height);
  const tall = (list) => d3.sum(list, (id) => heightOf(id) + BOX.apart) - BOX.apart;
  const middle = new Map();
  const settle = (list) => {
    let top = -tall(list) / 2;
    for (const id of list) {
      middle.set(id, top + heightOf(id) / 2);
      top += heightOf(id) + BOX.apart;
    }
  };
  columns.forEach(settle);
  const pull = (from, to) => (list) => {
    const wishes = new Map(list.map((id) => [id, d3.mean(links.filter((link) => link[to] === id), (link) => middle.get(link[from])) ?? middle.get(id)]));
    list.sort((a, b) => wishes.get(a) - wishes.get(b));
    settle(list);
  };
  for (let sweep = 0; sweep < 8; sweep += 1) {
    columns.forEach(pull(0, 1));
    [...columns].reverse().forEach(pull(1, 0));
  }
  return { column, middle, parts, num: columns.length, height: Math.max(...columns.map(tall)) };
}

function startLineage(node) {
  const { boxes, arrows } = report.lineage;
  const { column, middle, parts, num, height: tallest } = placesOf(boxes, arrows);
  const width = num * (BOX.width + BOX.between) - BOX.between + 4;
  const height = tallest + 4;
  const left = (id) => 2 + column.get(id) * (BOX.width + BOX.between);
  const level = (id) => height / 2 + middle.get(id);
  const drawn = canvas(width, height, `Lineage: ${boxes.length} boxes and ${many(arrows.length, "arrow")}; the table below says the same`);
  const tip = svg("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 8, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto" }, svg("path", { class: "arrow-tip", d: "M0,0L8,4L0,8Z" }));
  drawn.append(svg("defs", {}, tip));
  for (const { arrow, path } of parts) {
    const bends = d3.pairs(path).map(([a, b]) => {
      const [from, to] = [left(a) + BOX.width, left(b)];
      return `C${from + BOX.between / 2},${level(a)} ${to - BOX.between / 2},${level(b)} ${to},${level(b)}${b === arrow.target ? "" : `h${BOX.width}`}`;
    });
    const d = `M${left(arrow.source) + BOX.width},${level(arrow.source)}${bends.join("")}`;
    drawn.append(svg("path", { class: "arrow", "data-from": arrow.source, "data-to": arrow.target, d, "marker-end": "url(#arrow)" }, svg("title", {}, arrow.role)));
  }
  for (const box of boxes) drawn.append(boxOf(box, left(box.id), level(box.id)));
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
