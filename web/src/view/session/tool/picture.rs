use base64::Engine as _;
use js_sys::{Array, Uint8Array};
use leptos::prelude::*;
use wasm_bindgen::JsCast as _;
use web_sys::{Blob, BlobPropertyBag, HtmlDialogElement, Url};

use crate::state::tool::pictures::Picture;
use crate::text::words;
use crate::words::tool as said;

/// An image: small in its place, large on demand. Its address is one of this page's own, and gone with it.
#[component]
pub(crate) fn PictureView(picture: Picture) -> impl IntoView {
    let (kind, url) = match picture {
        Picture::TooLarge(bytes) => {
            return view! { <p class="remark">{said::image_too_large(words::bytes(bytes))}</p> }.into_any();
        }
        Picture::Drawn { kind, data } => (kind, address(kind, &data)),
    };
    let Some(url) = url else { return view! { <p class="remark">{said::image_of(kind)}</p> }.into_any() };
    let revoked = url.clone();
    on_cleanup(move || drop(Url::revoke_object_url(&revoked)));
    let dialog = NodeRef::<leptos::html::Dialog>::new();
    let larger = move |_| {
        if let Some(dialog) = dialog.get_untracked() {
            let _ = dialog.unchecked_into::<HtmlDialogElement>().show_modal();
        }
    };
    let smaller = move |_| {
        if let Some(dialog) = dialog.get_untracked() {
            dialog.unchecked_into::<HtmlDialogElement>().close();
        }
    };
    view! {
        <button class="picture" data-testid="picture" aria-label=said::larger() on:click=larger>
            <img src=url.clone() alt=said::image_of(kind) decoding="async"/>
        </button>
        <dialog class="picture-large" node_ref=dialog aria-label=said::image_of(kind) on:click=smaller>
            <img src=url alt="" decoding="async"/>
            <button class="button" on:click=smaller>{said::close()}</button>
        </dialog>
    }
    .into_any()
}

/// An address for the bytes, or `None` when they are none.
fn address(kind: &str, data: &str) -> Option<String> {
    let bytes = base64::engine::general_purpose::STANDARD.decode(data.trim()).ok()?;
    let parts = Array::of1(&Uint8Array::from(bytes.as_slice()));
    let options = BlobPropertyBag::new();
    options.set_type(kind);
    let blob = Blob::new_with_u8_array_sequence_and_options(&parts, &options).ok()?;
    Url::create_object_url_with_blob(&blob).ok()
}
