// The list of groups: where each comes from, its question, and how its rows did.
const MAX_LISTED = 500;

function listGroups(list, shown, choose) {
  list.replaceChildren(...shown.slice(0, MAX_LISTED).map((entry, index) => listed(entry, index, choose)));
  if (shown.length > MAX_LISTED) list.append(el("li", { class: "caption", role: "presentation" }, `${shown.length - MAX_LISTED} more: filter to see them`));
}

function listed({ entry, rows }, index, choose) {
  const { group } = entry;
  const all = group.rows.length === rows.length ? "" : ` · ${rows.length} of ${group.rows.length} rows`;
  return el(
    "li",
    { id: `g${entry.index}`, role: "option", "aria-selected": "false", onclick: () => choose(index) },
    el("span", { class: "where" }, `${runNames.length > 1 ? `${group.run} · ` : ""}step ${group.step}${all}`),
    el("span", { class: "asked foreign" }, short(group.question.replace(/\s+/g, " "), 90)),
    el("span", { class: "lots" }, group.rows.map((row, at) => lot(row, rows.includes(at))), Number.isFinite(entry.highest) && el("span", { class: "most" }, ` reward up to ${figure(entry.highest)}`)),
  );
}

// One small mark for each row: right, wrong or unjudged; hollow for teachers.
function lot(row, isShown) {
  const sign = { right: "✓", wrong: "✗", missing: "?" }[row.verdict] ?? "·";
  return el("span", { class: `lot ${row.verdict ?? "unjudged"} ${row.side}${isShown ? "" : " off"}`, title: `${row.source}: ${row.verdict ?? "not judged"}, reward ${figure(row.reward)}` }, sign);
}
