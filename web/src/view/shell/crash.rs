//! Never a dead page: a panic shows what happened and a way back. What was typed is kept by `link`.

use web_sys::Document;

use crate::words::page as words;

/// Shows the crash page when the client panics. Nothing of the client runs after that, so the page is plain nodes and
/// "reload" is a link.
pub fn install_crash_page() {
    std::panic::set_hook(Box::new(|info| {
        web_sys::console::error_1(&info.to_string().into());
        show_crash_page(&info.to_string());
    }));
}

/// Covers the page with what happened and a link that reloads it.
pub fn show_crash_page(detail: &str) {
    if let Some(document) = web_sys::window().and_then(|window| window.document()) {
        let _ = show(&document, detail);
    }
}

fn show(document: &Document, detail: &str) -> Result<(), wasm_bindgen::JsValue> {
    let Some(body) = document.body() else { return Ok(()) };
    if document.get_element_by_id("crash").is_some() {
        return Ok(());
    }
    // What lies below does nothing any more, and is not to be read or reached.
    let below = body.children();
    for element in (0..below.length()).filter_map(|at| below.item(at)) {
        element.set_attribute("inert", "")?;
    }
    let page = document.create_element("div")?;
    page.set_id("crash");
    page.set_class_name("crash");
    page.set_attribute("role", "alert")?;
    for (tag, class, text) in [
        ("h1", "", words::crashed()),
        ("p", "", words::crashed_why()),
        ("a", "button", words::reload()),
        ("pre", "crash-detail", detail),
    ] {
        let element = document.create_element(tag)?;
        element.set_class_name(class);
        element.set_text_content(Some(text));
        if tag == "a" {
            element.set_attribute("href", "")?;
        }
        if tag == "pre" {
            // A long one scrolls, by key too.
            element.set_attribute("tabindex", "0")?;
        }
        page.append_child(&element)?;
    }
    body.append_child(&page)?;
    Ok(())
}
