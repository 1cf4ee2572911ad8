const data = JSON.parse(find("#data").textContent);
setUpTheme();
setUpChart(data);
setUpTheatre(data);
setUpRuns();
