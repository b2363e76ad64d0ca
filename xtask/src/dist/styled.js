
let styles;
/** The styles of what is drawn later are here before the first of it is. */
function styled() {
    styles ??= new Promise((done) => {
        const sheet = document.createElement("link");
        sheet.rel = "stylesheet";
        sheet.href = new URL("./later.css", import.meta.url);
        sheet.onload = done;
        // Better bare than not at all; the next part asks again.
        sheet.onerror = () => {
            styles = undefined;
            done();
        };
        document.head.append(sheet);
    });
    return styles;
}
