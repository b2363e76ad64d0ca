//! Images and documents that go with a message: pasted, dropped or chosen, scaled down where they are large, shown small,
//! and taken away again with one press. What is not sent is kept, as what is typed is.

use leptos::html::Input;
use leptos::prelude::*;
use portcullis_protocol::wire::prompt::Attachment;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{
    Blob, CanvasRenderingContext2d, ClipboardEvent, DataTransfer, DragEvent, File, FileList, FileReader,
    HtmlCanvasElement, ImageBitmap,
};

use crate::state::app::App;
use crate::state::attach::{self, Attached, FILE_BYTES_MAX, FILES_BYTES_MAX};
use crate::state::command::Command;
use crate::state::exact::literal;
use crate::words::composer as words;

/// What a file input offers.
const TAKEN: &str = "image/png,image/jpeg,image/webp,image/gif,application/pdf";
/// Quality of a JPEG that is made smaller.
const QUALITY: f64 = 0.85;

/// One file that goes with a message.
#[derive(Clone, Debug, PartialEq)]
struct Picture {
    number: u32,
    file: Attached,
}

/// The files that go with a message.
#[derive(Clone, Copy)]
pub(crate) struct Pictures {
    app: App,
    list: RwSignal<Vec<Picture>>,
    next: StoredValue<u32>,
}

impl Pictures {
    /// Those of `place`: what was attached there before comes back, and what changes is kept.
    pub(crate) fn new(app: App, place: String) -> Self {
        let pictures = Self { app, list: RwSignal::new(Vec::new()), next: StoredValue::new(0) };
        let here = place.clone();
        Effect::new(move |_| {
            let back = app.files.with(|files| files.as_ref().filter(|(place, _)| *place == here).cloned());
            if let Some((_, files)) = back {
                app.files.set(None);
                pictures.take_back(files);
            }
        });
        let kept = place.clone();
        Effect::new(move |before: Option<bool>| {
            let files: Vec<Attached> =
                pictures.list.with(|list| list.iter().map(|one| one.file.clone()).collect());
            let is_news = before == Some(true) || !files.is_empty();
            if is_news {
                app.send(Command::Attached { place: kept.clone(), files });
            }
            is_news
        });
        app.send(Command::Attachments(place));
        pictures
    }

    /// What comes back stands before what was attached meanwhile, as far as all of it may go.
    fn take_back(self, files: Vec<Attached>) {
        let now = self.list.get_untracked().into_iter().map(|one| one.file);
        let all = attach::fitting(files.into_iter().chain(now).collect());
        self.list.set(Vec::new());
        all.into_iter().for_each(|file| self.push(file));
    }

    fn push(self, file: Attached) {
        let number = self.next.get_value();
        self.next.set_value(number + 1);
        self.list.update(|list| list.push(Picture { number, file }));
    }

    pub(crate) fn is_empty(self) -> bool {
        self.list.with(Vec::is_empty)
    }

    /// Takes all of them for a message.
    pub(crate) fn take(self) -> Vec<Attachment> {
        let list = self.list.get_untracked();
        self.list.set(Vec::new());
        list.iter().filter_map(|picture| attach::attachment(&picture.file.data_url)).collect()
    }

    /// Reads `files`, one after another; what cannot go is said.
    pub(crate) fn add(self, files: Vec<File>) {
        spawn_local(async move {
            for file in files {
                let name = literal(&file.name());
                if !attach::is_taken(&file.type_()) {
                    self.app.note.set(Some(words::not_an_image(name)));
                    continue;
                }
                let read = data_url(&file).await.ok().filter(|url| attach::attachment(url).is_some());
                let Some(data_url) = read else {
                    self.app.note.set(Some(words::unreadable(name)));
                    continue;
                };
                // The composer may be gone by now.
                let Some(before) = self
                    .list
                    .try_with_untracked(|list| list.iter().map(|one| one.file.data_url.len()).sum::<usize>())
                else {
                    return;
                };
                if before + data_url.len() > FILES_BYTES_MAX {
                    self.app.note.set(Some(words::too_big(name)));
                    continue;
                }
                self.push(Attached { name, data_url });
            }
        });
    }

    fn remove(self, number: u32) {
        self.list.update(|list| list.retain(|picture| picture.number != number));
    }
}

/// What was pasted, if it is files.
pub(crate) fn pasted(event: &JsValue) -> Vec<File> {
    files(event.unchecked_ref::<ClipboardEvent>().clipboard_data())
}

/// What was dropped, if it is files.
pub(crate) fn dropped(event: &JsValue) -> Vec<File> {
    files(event.unchecked_ref::<DragEvent>().data_transfer())
}

fn files(data: Option<DataTransfer>) -> Vec<File> {
    listed(data.and_then(|data| data.files()))
}

fn listed(files: Option<FileList>) -> Vec<File> {
    files.map(|files| (0..files.length()).filter_map(|at| files.get(at)).collect()).unwrap_or_default()
}

/// The files, small, each with a way to take it away.
#[component]
pub(crate) fn Thumbnails(pictures: Pictures) -> impl IntoView {
    let each = move |picture: Picture| {
        let Picture { number, file: Attached { name, data_url } } = picture;
        let shown = match data_url.starts_with("data:image/") {
            true => view! { <img src=data_url alt=name.clone()/> }.into_any(),
            false => view! { <span class="thumb-name">{name.clone()}</span> }.into_any(),
        };
        view! {
            <li class="thumb" data-testid="thumb">
                {shown}
                <button class="icon" aria-label=words::remove(name) on:click=move |_| pictures.remove(number)>"✕"</button>
            </li>
        }
    };
    view! {
        <ul class="thumbs" aria-label=words::attached() hidden=move || pictures.is_empty()>
            <For each=move || pictures.list.get() key=|picture| picture.number children=each/>
        </ul>
    }
}

/// The button for who neither pastes nor drops.
#[component]
pub(crate) fn Choose(pictures: Pictures) -> impl IntoView {
    let input = NodeRef::<Input>::new();
    let chosen = move |_| {
        if let Some(input) = input.get_untracked() {
            pictures.add(listed(input.files()));
            // The same file may be chosen again.
            input.set_value("");
        }
    };
    view! {
        <button class="icon attach" aria-label=words::attach() title=words::attach()
            on:click=move |_| input.get_untracked().into_iter().for_each(|input| input.click())>"+"</button>
        <input type="file" data-testid="attach" multiple hidden accept=TAKEN node_ref=input on:change=chosen/>
    }
}

/// The file as a data URL: as it is where it is small, drawn anew where it is large.
async fn data_url(file: &File) -> Result<String, JsValue> {
    let fits = attach::fits_as_it_is(file.size());
    if !file.type_().starts_with("image/") {
        return if fits { whole(file).await } else { Err(JsValue::NULL) };
    }
    let bitmap = JsFuture::from(window().create_image_bitmap_with_blob(file)?).await?;
    let bitmap: ImageBitmap = bitmap.unchecked_into();
    let smaller = attach::scaled(bitmap.width(), bitmap.height());
    let drawn = match (smaller, fits) {
        (None, true) => whole(file).await,
        (size, _) => drawn(&bitmap, size.unwrap_or((bitmap.width(), bitmap.height())), &file.type_()),
    };
    bitmap.close();
    drawn
}

fn drawn(bitmap: &ImageBitmap, (width, height): (u32, u32), media_type: &str) -> Result<String, JsValue> {
    let canvas: HtmlCanvasElement = document().create_element("canvas")?.unchecked_into();
    canvas.set_width(width);
    canvas.set_height(height);
    let context: CanvasRenderingContext2d = canvas.get_context("2d")?.ok_or(JsValue::NULL)?.unchecked_into();
    context.draw_image_with_image_bitmap_and_dw_and_dh(bitmap, 0.0, 0.0, width.into(), height.into())?;
    let jpeg = || canvas.to_data_url_with_type_and_encoder_options("image/jpeg", &QUALITY.into());
    if media_type == "image/jpeg" {
        return jpeg();
    }
    let png = canvas.to_data_url()?;
    if png.len() <= FILE_BYTES_MAX { Ok(png) } else { jpeg() }
}

async fn whole(blob: &Blob) -> Result<String, JsValue> {
    let reader = FileReader::new()?;
    let read = js_sys::Promise::new(&mut |resolve, _| reader.set_onloadend(Some(&resolve)));
    reader.read_as_data_url(blob)?;
    JsFuture::from(read).await?;
    reader.result()?.as_string().ok_or(JsValue::NULL)
}
