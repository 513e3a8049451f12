(function () {
  var body = document.body, button = document.getElementById("language");
  function speak(language) {
    body.dataset.lang = language;
    document.documentElement.lang = language;
    button.textContent = language === "zh" ? "English" : "中文";
  }
  speak((navigator.language || "").toLowerCase().indexOf("zh") === 0 ? "zh" : "en");
  button.addEventListener("click", function () { speak(body.dataset.lang === "zh" ? "en" : "zh"); });
  function open() {
    var target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target && target.tagName === "DETAILS") { target.open = true; target.scrollIntoView(); }
  }
  window.addEventListener("hashchange", open);
  open();
  var find = document.getElementById("find"), bad = document.getElementById("bad");
  function filter() {
    var wanted = find.value.trim().toLowerCase(), cells = document.querySelectorAll("details.cell");
    cells.forEach(function (cell) {
      var any = false;
      cell.querySelectorAll("details.case").forEach(function (one) {
        var show = (!bad.checked || one.dataset.state === "red") && (!wanted || one.textContent.toLowerCase().indexOf(wanted) >= 0);
        one.hidden = !show;
        any = any || show;
      });
      cell.hidden = !any;
      if (any && (wanted || bad.checked)) { cell.open = true; }
    });
  }
  find.addEventListener("input", filter);
  bad.addEventListener("change", filter);
})();
