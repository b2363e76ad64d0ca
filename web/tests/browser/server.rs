//! A server of a few lines in place of `fetch`: what was asked is written down, answers can be held back.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use js_sys::{Array, Function};
use wasm_bindgen::prelude::*;

/// One call: method, path with query, body.
pub(crate) type Call = (String, String, String);

pub(crate) struct Server {
    pub(crate) calls: Rc<RefCell<Vec<Call>>>,
    held: Rc<Cell<bool>>,
    restore: Function,
    _answer: Closure<dyn Fn(String, String, String) -> Array>,
    _is_held: Closure<dyn Fn() -> bool>,
}

impl Server {
    /// Answers every call with a status and a body; status 0 is no answer at all.
    pub(crate) fn answering(answer: impl Fn(&Call) -> (u16, String) + 'static) -> Self {
        let (calls, held) = (Rc::<RefCell<Vec<Call>>>::default(), Rc::new(Cell::new(false)));
        let (heard, holds) = (Rc::clone(&calls), Rc::clone(&held));
        let answer = Closure::new(move |method: String, path: String, body: String| {
            let call = (method, path, body);
            let (status, text) = answer(&call);
            heard.borrow_mut().push(call);
            Array::of2(&status.into(), &text.into())
        });
        let is_held = Closure::new(move || holds.get());
        #[expect(clippy::disallowed_methods, reason = "a test's own script, out of no input")]
        let install = Function::new_with_args(
            "answer, isHeld",
            "const before = window.fetch;
             window.fetch = async (request) => {
               const url = new URL(request.url);
               const [status, text] = answer(request.method, url.pathname + url.search, await request.text());
               while (isHeld()) await new Promise((next) => setTimeout(next, 5));
               if (status === 0) throw new TypeError('no answer');
               return new Response(text === '' ? null : text, { status });
             };
             return () => { window.fetch = before; };",
        );
        let (answering, holding): (&JsValue, &JsValue) = (answer.as_ref(), is_held.as_ref());
        let restore = install.call2(&JsValue::NULL, answering, holding).unwrap().unchecked_into();
        Self { calls, held, restore, _answer: answer, _is_held: is_held }
    }

    /// Answers wait until they are let go.
    pub(crate) fn hold(&self, held: bool) {
        self.held.set(held);
    }

    /// The uuids of all prompts that were POSTed, in order.
    pub(crate) fn prompts(&self) -> Vec<String> {
        let calls = self.calls.borrow();
        let bodies = calls.iter().filter(|(method, path, _)| method == "POST" && path.ends_with("/events"));
        let uuid = |body: &str| -> Option<String> {
            let body: serde_json::Value = serde_json::from_str(body).ok()?;
            Some(body["events"][0]["uuid"].as_str()?.to_owned())
        };
        bodies.filter_map(|(_, _, body)| uuid(body)).collect()
    }

    /// How often a path was asked for.
    pub(crate) fn count(&self, path: &str) -> usize {
        self.calls.borrow().iter().filter(|(_, called, _)| called.starts_with(path)).count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.restore.call0(&JsValue::NULL).unwrap();
    }
}
