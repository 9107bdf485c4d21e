// How far above a page is among the results of a search. These are Sphinx's own figures, but for `score`:
// decisions and changes come last, since they are about how the store was made.
var Scorer = {
  score: ([page, , , , score]) =>
    page.startsWith("adr/") || page === "changelog" || page === "contributing" ? score - 30 : score,
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
