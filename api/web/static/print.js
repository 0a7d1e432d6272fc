// Opens the browser's print dialogue; the menu of the browser does the same without script.
document.getElementById("print").addEventListener("click", () => print());
