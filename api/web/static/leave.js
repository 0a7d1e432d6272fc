// Goes on as soon as every system's own logout page has loaded, which the window's load event tells;
// the page's refresh is for one that never does.
const onward = () => location.replace(document.getElementById("onward").href);
if (document.readyState === "complete") onward();
else addEventListener("load", onward, { once: true });
