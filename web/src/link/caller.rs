//! Calls somebody who looks elsewhere: the badge of the installed page, its icon in the tab, a sound and a notification of
//! the system, each only as far as this browser's person wants it. What waits is named by its session alone: a locked
//! screen shows no command.

use std::cell::RefCell;

use leptos::prelude::*;
use portcullis_protocol::id::SessionId;
use portcullis_protocol::wire::rest::SessionInfo;
use wasm_bindgen::prelude::*;
use web_sys::{AudioContext, Navigator, Notification, NotificationOptions, NotificationPermission};

use super::browser;
use crate::state::alerts::Alerts;
use crate::state::app::{App, Notifying};
use crate::state::command::Command;
use crate::state::exact::literal;
use crate::state::prefs::{self, Pref};
use crate::state::route::Route;
use crate::text::words::short_path;
use crate::words::{page, side};

/// What this browser called for last, so that its tabs do not all call.
const CALLED: &str = "portcullis.called";
/// All tabs read their lists within this time, in ms.
const TABS_WITHIN_MS: u64 = 15_000;
const ICON: &str = "/assets/icon.svg";
const ICON_WAITING: &str = "/assets/icon-waiting.svg";
/// Two tones, in Hz.
const TONES: [f32; 2] = [660.0, 880.0];
/// Each lasts this long, in s.
const TONE_S: f64 = 0.12;
/// Of full volume.
const LOUDNESS: f32 = 0.08;

#[wasm_bindgen]
extern "C" {
    /// Not every browser has them, and where they are missing the call fails.
    #[wasm_bindgen(extends = Navigator)]
    type Badged;
    #[wasm_bindgen(method, catch, js_name = setAppBadge)]
    fn set_app_badge(this: &Badged, count: u32) -> Result<js_sys::Promise, JsValue>;
}

/// Compares each list with the one before.
#[derive(Debug)]
pub(super) struct Caller {
    app: App,
    alerts: RefCell<Alerts>,
    count: RefCell<u32>,
}

impl Caller {
    pub(super) fn new(app: App) -> Self {
        Self { app, alerts: RefCell::default(), count: RefCell::new(0) }
    }

    /// The lists were read.
    pub(super) fn hear(&self) {
        let app = self.app;
        let sessions = untrack(|| app.sessions());
        let route = app.route.get_untracked();
        let looks = !browser::is_hidden() && browser::has_focus();
        let call = self.alerts.borrow_mut().hear(&sessions, route.session().filter(|_| looks));
        if self.count.replace(call.count) != call.count {
            show_count(call.count);
        }
        for id in &call.news {
            if let Some(session) = sessions.iter().find(|one| one.id == *id).filter(|one| is_first(one)) {
                self.call(session);
            }
        }
    }

    fn call(&self, session: &SessionInfo) {
        if Pref::Sound.get() == "on" {
            let _silent = sound();
        }
        if Pref::Notify.get() == "on" && permission() == Notifying::Granted {
            let machine = untrack(|| self.app.environment(session)).map(|one| one.machine_name);
            notify(self.app, session, machine.as_deref().unwrap_or_default());
        }
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        if *self.count.borrow() > 0 {
            show_count(0);
        }
    }
}

/// Whether no other tab of this browser called for it a moment ago.
fn is_first(session: &SessionInfo) -> bool {
    let call = format!("{} {}", session.id, session.pending_count);
    let now_ms = browser::wall_ms();
    let before = prefs::read(CALLED);
    let same = before.as_deref().and_then(|before| before.strip_prefix(&call)?.trim().parse::<u64>().ok());
    if same.is_some_and(|at_ms| now_ms.abs_diff(at_ms) < TABS_WITHIN_MS) {
        return false;
    }
    prefs::write(CALLED, &format!("{call} {now_ms}"));
    true
}

fn show_count(count: u32) {
    let badged: Badged = browser::window().navigator().unchecked_into();
    let _unsupported = badged.set_app_badge(count);
    if let Ok(Some(icon)) = document().query_selector("link[rel=icon]") {
        let _ = icon.set_attribute("href", if count > 0 { ICON_WAITING } else { ICON });
    }
}

/// Whether this page may notify.
pub(super) fn permission() -> Notifying {
    if js_sys::Reflect::get(&browser::window(), &"Notification".into()).is_ok_and(|one| one.is_undefined()) {
        return Notifying::Missing;
    }
    let permission = Notification::permission();
    if permission == NotificationPermission::Granted {
        Notifying::Granted
    } else if permission == NotificationPermission::Denied {
        Notifying::Denied
    } else {
        Notifying::Unasked
    }
}

/// Asks the browser, which asks the person. Call on a click: browsers refuse it otherwise.
pub(super) async fn ask(app: App) {
    if permission() == Notifying::Unasked
        && let Ok(asked) = Notification::request_permission()
    {
        let _answered = wasm_bindgen_futures::JsFuture::from(asked).await;
    }
    app.notifying.set(permission());
}

fn notify(app: App, session: &SessionInfo, machine: &str) {
    let title = match session.title.trim() {
        "" => side::untitled().to_owned(),
        title => literal(title),
    };
    let options = NotificationOptions::new();
    options.set_body(&format!("{} · {}", literal(machine), literal(&short_path(&session.directory))));
    options.set_tag(session.id.as_str());
    options.set_icon("/assets/icon-192.png");
    options.set_data(&Route::Session(session.id.clone()).path().into());
    let title = page::notify_title(title);
    match Notification::new_with_options(&title, &options) {
        Ok(notification) => on_click(app, &notification, session.id.clone()),
        // Phones let only the service worker notify; `sw.js` hears the click.
        Err(_) => wasm_bindgen_futures::spawn_local(async move {
            let ready = browser::window().navigator().service_worker().ready();
            let Ok(ready) = ready else { return };
            if let Ok(worker) = wasm_bindgen_futures::JsFuture::from(ready).await {
                let worker: web_sys::ServiceWorkerRegistration = worker.unchecked_into();
                let _ = worker.show_notification_with_options(&title, &options);
            }
        }),
    }
}

fn on_click(app: App, notification: &Notification, session: SessionId) {
    let shown = notification.clone();
    let open = Closure::once_into_js(move || {
        let _ = browser::window().focus();
        shown.close();
        app.send(Command::Go(Route::Session(session)));
    });
    notification.set_onclick(Some(open.unchecked_ref()));
}

/// A short rise of two tones. Browsers keep a page silent that nobody touched yet.
fn sound() -> Result<(), JsValue> {
    let context = AudioContext::new()?;
    let _ = context.resume()?;
    let gain = context.create_gain()?;
    gain.gain().set_value(LOUDNESS);
    gain.connect_with_audio_node(&context.destination())?;
    let mut at = context.current_time();
    for tone in TONES {
        let oscillator = context.create_oscillator()?;
        oscillator.frequency().set_value(tone);
        oscillator.connect_with_audio_node(&gain)?;
        oscillator.start_with_when(at)?;
        at += TONE_S;
        oscillator.stop_with_when(at)?;
    }
    // A page may have only a few contexts.
    set_timeout(move || drop(context.close()), std::time::Duration::from_secs(1));
    Ok(())
}
