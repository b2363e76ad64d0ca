use leptos::prelude::*;

use crate::state::app::App;
use crate::state::command::Command;
use crate::state::complete::{self, Word};
use crate::state::offers::Offer;
use crate::view::shell::told;
use crate::words::composer as words;

/// Typing rests this long before files are asked for, in ms: each question is a call.
const REST_MS: u64 = 120;

/// What is offered for the word that is being typed.
#[derive(Clone, Copy)]
pub(crate) struct Completion {
    word: RwSignal<Option<Word>>,
    fits: Memo<Vec<Offer>>,
    active: RwSignal<usize>,
}

impl Completion {
    pub(crate) fn new(app: App) -> Self {
        let word = RwSignal::new(None::<Word>);
        let fits = Memo::new(move |_| {
            let word = word.get();
            word.map(|word| app.offers.with(|offers| complete::fitting(&word, offers))).unwrap_or_default()
        });
        Effect::new(move |_| {
            let asked = word.get().filter(|word| word.mark == '@');
            let Some(asked) = asked else { return };
            let ask = move || {
                if word.try_with_untracked(|word| word.as_ref() == Some(&asked)) == Some(true) {
                    app.send(Command::FindFiles(asked.query));
                }
            };
            set_timeout(ask, std::time::Duration::from_millis(REST_MS));
        });
        Self { word, fits, active: RwSignal::new(0) }
    }

    /// Looks at what stands before the caret.
    pub(crate) fn look(self, text: &str, caret: usize) {
        let word = complete::word(text, caret);
        if self.word.with_untracked(|before| *before != word) {
            self.active.set(0);
            self.word.set(word);
        }
    }

    pub(crate) fn close(self) {
        if self.word.with_untracked(Option::is_some) {
            self.word.set(None);
        }
    }

    /// Whether something fits.
    pub(crate) fn is_shown(self) -> bool {
        self.fits.with(|fits| !fits.is_empty())
    }

    pub(crate) fn is_open(self) -> bool {
        untrack(|| self.is_shown())
    }

    pub(crate) fn active(self) -> usize {
        self.active.get_untracked()
    }

    pub(crate) fn active_id(self) -> Option<String> {
        self.is_shown().then(|| format!("fit-{}", self.active.get()))
    }

    pub(crate) fn step(self, down: bool) {
        let count = self.fits.with_untracked(Vec::len).max(1);
        self.active.update(|at| *at = (*at + if down { 1 } else { count - 1 }) % count);
    }

    /// The text with the chosen offer in it, and its caret. Nothing is offered any more.
    pub(crate) fn take(self, at: usize, text: &str) -> Option<(String, usize)> {
        let offer = self.fits.with_untracked(|fits| fits.get(at).cloned())?;
        let word = self.word.get_untracked()?;
        self.word.set(None);
        // What was typed meanwhile has a word of its own.
        let same = text.get(word.start..word.end).is_some_and(|part| part.ends_with(&word.query));
        same.then(|| complete::completed(text, &word, &offer.value))
    }
}

/// The list over the field. The focus stays in the field, which names the option that is meant.
#[component]
pub(crate) fn Fits(completion: Completion, choose: Callback<usize>) -> impl IntoView {
    let label = move || {
        let files = completion.word.with(|word| word.as_ref().is_some_and(|word| word.mark == '@'));
        if files { words::files() } else { words::commands() }
    };
    let mark = move || completion.word.with(|word| word.as_ref().map(|word| word.mark));
    let rows = move || {
        completion.fits.get().into_iter().enumerate().map(move |(at, offer)| {
            let selected = move || (completion.active.get() == at).to_string();
            view! {
                <li id=format!("fit-{at}") class="fit" role="option" data-testid="fit" aria-selected=selected
                    on:mousedown=move |event| event.prevent_default() on:click=move |_| choose.run(at)>
                    <b>{mark}{told(&offer.value)}</b>
                    <span class="fit-about">{told(&offer.about)}</span>
                </li>
            }
        }).collect_view()
    };
    // A press keeps the focus in the field; touch may scroll the list.
    view! {
        <ul class="fits" id="fits" role="listbox" aria-label=label hidden=move || !completion.is_shown()>{rows}</ul>
        <span class="unseen" role="status">{move || completion.is_shown().then(|| words::fitting(completion.fits.with(Vec::len)))}</span>
    }
}
