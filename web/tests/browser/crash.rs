//! The page of a crash: plain nodes, the detail as text, one way back.

use portcullis_web::view::show_crash_page;
use wasm_bindgen_test::wasm_bindgen_test;

#[wasm_bindgen_test]
fn a_crash_says_so_once_and_offers_to_reload() {
    let document = web_sys::window().unwrap().document().unwrap();
    show_crash_page("panicked at <b>x</b>");
    show_crash_page("a second one, while the first is shown");
    let page = document.get_element_by_id("crash").unwrap();
    assert_eq!(page.get_attribute("role").as_deref(), Some("alert"));
    assert!(page.text_content().unwrap().contains("panicked at <b>x</b>"));
    assert!(page.query_selector("b").unwrap().is_none(), "the detail became HTML");
    let reload = page.query_selector("a[href='']").unwrap();
    assert!(reload.is_some(), "there is no way back");
    page.remove();
}
