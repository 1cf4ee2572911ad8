// Search in the table of runs: rows that contain every word are shown.
function setUpRuns() {
  const rows = [...document.querySelectorAll("#table-runs tbody tr")];
  const texts = rows.map((row) => [...row.cells].map((cell) => cell.textContent.toLowerCase()).join(" "));
  const search = find("#runs-search");
  function filter() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    rows.forEach((row, at) => {
      row.hidden = !words.every((word) => texts[at].includes(word));
      count += !row.hidden;
    });
    find("#runs-count").textContent = `${count} of ${rows.length} runs`;
  }
  search.addEventListener("input", filter);
  filter();
}
