//! What is typed and not sent: in the tab's own storage at once, in the vault a moment later and whenever the tab may
//! go away. A draft that was sent is forgotten only once the prompt it became is written down.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::{Rc, Weak};

use wasm_bindgen_futures::spawn_local;

use super::browser::{self, Timer};
use super::locks::{self, Hold};
use super::vault::Vault;
use crate::state::attach::Attached;
use crate::state::tab_store;

/// Typing rests this long before it is written to the vault, in ms.
const REST_MS: u64 = 400;
/// Who has this tab's name for longer than this is another tab, in ms.
const RELOAD_MS: u32 = 400;
/// The tab's own storage: its name among the tabs of this browser.
const TAB: &str = "tab";
/// The lock that says that a tab lives.
const ALIVE: &str = "portcullis-tab-";

/// The drafts of this tab.
pub struct Drafts {
    vault: Rc<Vault>,
    tab: RefCell<String>,
    alive: RefCell<Option<Hold>>,
    /// What the vault does not know yet, by place.
    unwritten: RefCell<HashMap<String, String>>,
    /// Places whose files are gone with a prompt that is being written down.
    emptied: RefCell<HashSet<String>>,
    timer: RefCell<Option<Timer>>,
    /// Prompts that are being written down: until then an empty draft does not replace what they were.
    sending: Cell<u32>,
    me: Weak<Self>,
}

impl Drafts {
    /// The drafts of this tab, which from now on is known to live.
    pub async fn open(vault: Rc<Vault>) -> Rc<Self> {
        let drafts = Rc::new_cyclic(|me| Self {
            vault,
            tab: RefCell::new(String::new()),
            alive: RefCell::new(None),
            unwritten: RefCell::default(),
            emptied: RefCell::default(),
            timer: RefCell::default(),
            sending: Cell::new(0),
            me: me.clone(),
        });
        drafts.rise().await;
        drafts
    }

    /// What was typed at `place` in this tab, or in one that is gone.
    pub async fn restore(&self, place: &str) -> Option<String> {
        if let Some(own) = tab_store::read(&key(place)) {
            return Some(own);
        }
        let alive = locks::held().await;
        let tab = self.tab.borrow().clone();
        self.vault.adopt_draft(place, &tab, |tab| lives(alive.as_deref(), tab)).await
    }

    /// What was attached at `place` in this tab, or in one that is gone.
    pub async fn restore_pictures(&self, place: &str) -> Vec<Attached> {
        let alive = locks::held().await;
        let tab = self.tab.borrow().clone();
        self.vault.adopt_pictures(place, &tab, |tab| lives(alive.as_deref(), tab)).await
    }

    /// A person attached something, or took it away.
    pub fn attached(&self, place: &str, files: Vec<Attached>) {
        if files.is_empty() && self.sending.get() > 0 {
            self.emptied.borrow_mut().insert(place.to_owned());
            return;
        }
        self.emptied.borrow_mut().remove(place);
        let (vault, tab, place) = (Rc::clone(&self.vault), self.tab.borrow().clone(), place.to_owned());
        let at_ms = now_ms();
        // Where that fails they live as long as the page.
        spawn_local(async move {
            let _ = vault.keep_pictures(&place, &tab, files, at_ms).await;
        });
    }

    /// A person typed.
    pub fn typed(&self, place: &str, text: String) {
        if text.is_empty() && self.sending.get() > 0 {
            self.unwritten.borrow_mut().insert(place.to_owned(), text);
            return;
        }
        tab_store::write(&key(place), &text);
        let at_once = text.is_empty();
        self.unwritten.borrow_mut().insert(place.to_owned(), text);
        if at_once {
            return self.flush();
        }
        let me = self.me.clone();
        let timer = Timer::after(REST_MS, move || {
            if let Some(drafts) = me.upgrade() {
                drafts.flush();
            }
        });
        self.timer.replace(Some(timer));
    }

    /// A prompt is being written down.
    pub fn sending(&self) {
        self.sending.set(self.sending.get() + 1);
    }

    /// It is written down, or never will be.
    pub fn sent(&self) {
        self.sending.set(self.sending.get().saturating_sub(1));
        if self.sending.get() == 0 {
            self.flush();
            let emptied = self.emptied.take();
            emptied.into_iter().for_each(|place| self.attached(&place, Vec::new()));
        }
    }

    /// Writes down what is not written yet.
    pub fn flush(&self) {
        self.timer.replace(None);
        let mut unwritten = self.unwritten.take();
        if self.sending.get() > 0 {
            let (later, now) = unwritten.into_iter().partition(|(_, text)| text.is_empty());
            self.unwritten.replace(later);
            unwritten = now;
        }
        for (place, text) in unwritten {
            tab_store::write(&key(&place), &text);
            let (vault, tab) = (Rc::clone(&self.vault), self.tab.borrow().clone());
            let at_ms = now_ms();
            // Where that fails, the tab's own storage has it.
            spawn_local(async move {
                let _ = vault.keep_draft(&place, &tab, &text, at_ms).await;
            });
        }
    }

    /// Forgets everything, here and in the tab's own storage.
    pub fn purge(&self) {
        self.unwritten.take();
        self.emptied.take();
        self.timer.replace(None);
        tab_store::clear();
        tab_store::write(TAB, &self.tab.borrow());
    }

    /// The tab may go away.
    pub fn rest(&self) {
        self.flush();
        self.alive.replace(None);
    }

    /// It is there: under the name it had before a reload, or a new one where a duplicate of this tab has it.
    pub async fn rise(&self) {
        let name = tab_store::read(TAB).unwrap_or_else(browser::uuid);
        // The page before a reload may be about to give the name up.
        let alive = locks::turn_within(&format!("{ALIVE}{name}"), RELOAD_MS).await;
        let (name, alive) = match alive {
            Some(alive) => (name, Some(alive)),
            None if locks::held().await.is_none() => (name, None),
            None => {
                let name = browser::uuid();
                let alive = locks::take_free(&format!("{ALIVE}{name}")).await;
                (name, alive)
            }
        };
        tab_store::write(TAB, &name);
        self.tab.replace(name);
        self.alive.replace(alive);
    }
}

impl std::fmt::Debug for Drafts {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Drafts").field("tab", &self.tab.borrow()).finish_non_exhaustive()
    }
}

/// Without locks nobody knows which tabs live, so only this tab's own draft is safe to show.
fn lives(alive: Option<&[String]>, tab: &str) -> bool {
    alive.is_none_or(|names| names.contains(&format!("{ALIVE}{tab}")))
}

fn now_ms() -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are far below 2^53")]
    let at_ms = browser::wall_ms() as f64;
    at_ms
}

fn key(place: &str) -> String {
    format!("draft:{place}")
}
