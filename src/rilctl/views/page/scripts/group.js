// One group side by side: question, pictures, truth; the student's rows beside the teachers'.
function showGroup(node, { entry, rows }, words, siblings, go) {
  const { group } = entry;
  const column = (side, title) => {
    const own = group.rows.map((row, index) => [row, index]).filter(([row]) => row.side === side);
    if (!own.length) return null;
    return el("section", { class: "column", "aria-label": title }, el("h3", {}, title), own.map(([row, index]) => rowCard(row, rows.includes(index), words)));
  };
  node.replaceChildren(
    el("p", { class: "meta" }, [runNames.length > 1 && el("b", {}, group.run), el("b", {}, `step ${group.step}`), el("code", {}, group.sample_id), el("span", { class: "tag" }, group.why)].filter(Boolean).flatMap((part) => [part, " "])),
    el(
      "div",
      { class: "asking" },
      group.image_digests.length ? el("div", { class: "pictures" }, group.image_digests.map((digest, index) => picture(digest, `Picture ${index + 1} of question ${group.sample_id}`))) : null,
      el(
        "div",
        {},
        group.context.length ? el("details", { class: "context" }, el("summary", {}, many(group.context.length, "earlier turn")), group.context.map((turn) => el("p", { class: "foreign" }, el("b", {}, `${turn.role}: `), turn.text))) : null,
        el("p", { class: "question" }, ...found(group.question, words)),
        el("p", { class: "truth" }, el("span", { class: "label" }, "Truth "), el("span", { class: "foreign" }, ...found(group.truth || "none", words))),
      ),
    ),
    siblingsOf(siblings, entry, go),
    el("div", { class: "columns" }, column("student", "Student"), column("teacher", "Teachers")),
  );
}

function siblingsOf(siblings, entry, go) {
  if (siblings.length < 2) return "";
  const name = (other) => `${runNames.length > 1 ? `${other.group.run} ` : ""}${other.group.step}`;
  const link = (other) => el("button", { type: "button", class: "quiet", "aria-current": other === entry ? "true" : null, onclick: () => go(other) }, name(other));
  return el("p", { class: "siblings" }, el("span", { class: "label" }, "The same question in steps "), siblings.map(link));
}

const VERDICTS = { right: "✓ right", wrong: "✗ wrong", missing: "? no verdict" };

function rowCard(row, isShown, words) {
  const fact = (name, value, title) => [el("div", { title }, el("dt", {}, name), el("dd", {}, value))];
  const rewards = Object.entries(row.rewards).flatMap(([name, value]) => fact(name, figure(value), `Reward ${name}, before weights`));
  const ended = { stop: "", length: "cut off", imported: "imported" }[row.finish_reason];
  return el(
    "div",
    { class: `card ${row.side}${isShown ? "" : " off"}` },
    el("p", { class: "meta" }, el("b", { class: "foreign" }, row.source), ` #${row.response_index} `, row.verdict && el("span", { class: `verdict ${row.verdict}` }, VERDICTS[row.verdict]), " ", el("span", { class: "faint" }, [many(row.num_tokens, "token"), ended, row.in_policy ? "" : "not in policy"].filter(Boolean).join(" · "))),
    row.text ? el("p", { class: "response foreign" }, ...found(row.text, words)) : el("p", { class: "response faint" }, "(empty)"),
    el(
      "dl",
      { class: "facts" },
      fact("reward", el("b", {}, row.reward === null ? "none" : figure(row.reward)), "The weighted sum"),
      rewards,
      fact("advantage", el("span", { class: row.advantage < 0 ? "bad" : row.advantage > 0 ? "good" : "" }, signed(row.advantage)), "Against its group"),
      row.disc_logit === null ? [] : fact("logit", signed(row.disc_logit), "The discriminator's: high for students, below 0 for teachers"),
    ),
    row.tags.length ? el("p", { class: "tags" }, row.tags.map((tag) => el("span", { class: "tag", title: report.rollouts.tags[tag] }, tag))) : null,
    row.judge ? el("p", { class: "judge" }, el("span", { class: "label" }, "Judge "), el("span", { class: "foreign" }, ...found(row.judge, words))) : null,
  );
}

// The text with what was searched for marked; nodes of text alone.
function found(text, words) {
  if (!words) return [text];
  const parts = [];
  const low = text.toLowerCase();
  if (low.length !== text.length) return [text]; // letters whose small form is longer
  let from = 0;
  for (let at = low.indexOf(words); at >= 0; at = low.indexOf(words, from)) {
    parts.push(text.slice(from, at), el("mark", {}, text.slice(at, at + words.length)));
    from = at + words.length;
  }
  parts.push(text.slice(from));
  return parts;
}
