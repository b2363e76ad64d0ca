//! Web Locks: what the tabs of this browser share is touched by one of them at a time. The browser ends a lock with its
//! tab, however that one dies. Where a browser has none, work goes on without: an id that makes a repeat harmless is
//! under everything that a lock orders.

use js_sys::{Array, Function, Object, Promise, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::AbortSignal;

use super::browser;

/// A turn that does not come within this is taken, in ms: longer than any call may last, so whoever holds it hangs.
const PATIENCE_MS: u32 = 30_000;

/// A lock that is held. Dropping it gives it up.
#[derive(Debug)]
pub struct Hold {
    release: Function,
}

impl Drop for Hold {
    fn drop(&mut self) {
        let _ = self.release.call0(&JsValue::NULL);
    }
}

/// Waits for the turn at `name`. `None` where the browser has no locks.
pub async fn turn(name: &str) -> Option<Hold> {
    let patience = AbortSignal::timeout_with_u32(PATIENCE_MS);
    match request(name, &[("signal", patience.into())]).await {
        Ok(hold) => hold,
        Err(Denied::Absent) => None,
        Err(Denied::Aborted) => request(name, &[("steal", true.into())]).await.ok().flatten(),
    }
}

/// Waits for the turn at `name`, at most this long, in ms. `None` when it does not come, or the browser has no locks.
pub async fn turn_within(name: &str, patience_ms: u32) -> Option<Hold> {
    let patience = AbortSignal::timeout_with_u32(patience_ms);
    request(name, &[("signal", patience.into())]).await.ok().flatten()
}

/// Takes `name` if nobody holds it. `None` when somebody does, or the browser has no locks.
pub async fn take_free(name: &str) -> Option<Hold> {
    request(name, &[("ifAvailable", true.into())]).await.ok().flatten()
}

/// Names of the locks that are held, in any tab. `None` where the browser has no locks.
pub async fn held() -> Option<Vec<String>> {
    let locks = manager()?;
    let query: Function = Reflect::get(&locks, &"query".into()).ok()?.dyn_into().ok()?;
    let snapshot = JsFuture::from(query.call0(&locks).ok()?.unchecked_into::<Promise>()).await.ok()?;
    let held: Array = Reflect::get(&snapshot, &"held".into()).ok()?.dyn_into().ok()?;
    Some(held.iter().filter_map(|lock| Reflect::get(&lock, &"name".into()).ok()?.as_string()).collect())
}

enum Denied {
    /// There are no locks here.
    Absent,
    /// The turn did not come.
    Aborted,
}

/// The bindings of Web Locks are not stable in `web-sys`; this is the one call that is needed of them.
async fn request(name: &str, options: &[(&str, JsValue)]) -> Result<Option<Hold>, Denied> {
    let locks = manager().ok_or(Denied::Absent)?;
    let request: Function = Reflect::get(&locks, &"request".into())
        .ok()
        .and_then(|request| request.dyn_into().ok())
        .ok_or(Denied::Absent)?;
    let object = Object::new();
    for (key, value) in options {
        let _ = Reflect::set(&object, &(*key).into(), value);
    }
    let granted = Promise::new(&mut |grant, refuse| {
        let on_grant = Closure::once_into_js(move |lock: JsValue| -> JsValue {
            if lock.is_null() || lock.is_undefined() {
                let _ = grant.call1(&JsValue::NULL, &JsValue::NULL);
                return JsValue::UNDEFINED;
            }
            // The lock is held until this promise is resolved.
            Promise::new(&mut |release, _| {
                let _ = grant.call1(&JsValue::NULL, &release);
            })
            .into()
        });
        match request.call3(&locks, &name.into(), &object, &on_grant) {
            Ok(ended) => spawn_local(async move {
                // It fails when the turn did not come, and when the lock is taken away later: then nobody listens.
                if JsFuture::from(ended.unchecked_into::<Promise>()).await.is_err() {
                    let _ = refuse.call0(&JsValue::NULL);
                }
            }),
            Err(_) => drop(refuse.call0(&JsValue::NULL)),
        }
    });
    let release = JsFuture::from(granted).await.map_err(|_| Denied::Aborted)?;
    Ok(release.dyn_into::<Function>().ok().map(|release| Hold { release }))
}

fn manager() -> Option<JsValue> {
    let navigator = browser::window().navigator();
    Reflect::get(&navigator, &"locks".into()).ok().filter(|locks| locks.is_object())
}
