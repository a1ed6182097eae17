// Which rows of which groups are shown. A group is shown where one of its rows is.
const SELECTS = {
  run: { id: "by-run", of: (group) => group.run },
  step: { id: "by-step", of: (group) => group.step },
  side: { id: "by-side", of: (group, row) => row.side },
  verdict: { id: "by-verdict", of: (group, row) => row.verdict ?? "not judged" },
  source: { id: "by-source", of: (group, row) => row.source },
  question: { id: "by-question", of: (group) => group.sample_id },
  tag: { id: "by-tag", of: (group, row) => row.tags },
};
const SORTS = {
  "by step": () => 0,
  "lowest reward first": (a, b) => a.lowest - b.lowest,
  "highest reward first": (a, b) => b.highest - a.highest,
  "widest spread first": (a, b) => b.highest - b.lowest - (a.highest - a.lowest),
  "longest response first": (a, b) => b.longest - a.longest,
};

// Each group with what searching and sorting ask of it, once.
function indexed(groups) {
  return groups.map((group, index) => {
    const rewards = group.rows.map((row) => row.reward).filter((reward) => reward !== null);
    return {
      group,
      index,
      about: [group.sample_id, group.question, group.truth, ...group.context.map((turn) => turn.text)].join("\n").toLowerCase(),
      texts: group.rows.map((row) => [row.source, row.text, row.judge ?? "", row.tags.join(" ")].join("\n").toLowerCase()),
      lowest: rewards.length ? Math.min(...rewards) : Infinity,
      highest: rewards.length ? Math.max(...rewards) : -Infinity,
      longest: Math.max(0, ...group.rows.map((row) => row.num_tokens)),
    };
  });
}

function fillSelects(groups) {
  for (const [name, { id, of }] of Object.entries(SELECTS)) {
    const counts = new Map();
    for (const group of groups) {
      const isOfGroup = ["run", "step", "question"].includes(name);
      for (const value of isOfGroup ? [of(group)] : group.rows.flatMap((row) => of(group, row))) counts.set(value, (counts.get(value) ?? 0) + 1);
    }
    const values = [...counts.keys()].sort((a, b) => (typeof a === "number" ? a - b : a.localeCompare(b, "en", { numeric: true })));
    const texts = new Map(groups.map((group) => [group.sample_id, `${short(group.question.replace(/\s+/g, " "), 48)} (${group.sample_id})`]));
    const said = (value) => {
      if (name === "question") return texts.get(value);
      return name === "tag" ? `${value}: ${report.rollouts.tags[value] ?? ""}` : `${value}`;
    };
    if (name === "question") values.sort((a, b) => said(a).localeCompare(said(b), "en", { numeric: true }));
    byId(id).replaceChildren(el("option", { value: "" }, "all"), ...values.map((value) => el("option", { value }, said(value))));
    byId(id).closest("label").hidden = values.length < (name === "tag" ? 1 : 2);
  }
  byId("sort").replaceChildren(...Object.keys(SORTS).map((name) => el("option", { value: name }, name)));
}

// What is asked for now; a reward range comes from the histogram.
function asked(range) {
  const chosen = Object.entries(SELECTS)
    .map(([, { id, of }]) => ({ value: byId(id).value, of }))
    .filter(({ value }) => value !== "");
  return { words: byId("search").value.trim().toLowerCase(), chosen, range };
}

// Indices of the rows of a group that are shown.
function matching(entry, { words, chosen, range }) {
  const isAbout = !words || entry.about.includes(words);
  return d3.range(entry.group.rows.length).filter((index) => {
    const row = entry.group.rows[index];
    if (!isAbout && !entry.texts[index].includes(words)) return false;
    if (range && !(row.reward !== null && range.some((bin) => isIn(bin, row.reward)))) return false;
    return chosen.every(({ value, of }) => [of(entry.group, row)].flat().some((one) => `${one}` === value));
  });
}
