//! A session on a full disk: what could not be written is kept, nothing else is done until it is, and then it is said
//! for how long that was.

use std::time::Instant;

use crate::core::{Entry, Output};

/// Whether a session stands still, and for what.
#[derive(Debug, Default)]
pub(crate) struct Standstill {
    entry: Option<Entry>,
    since: Option<Instant>,
    is_news: bool,
}

impl Standstill {
    /// Keeps `entry` for another try. Says whether this is news.
    pub(crate) fn begin(&mut self, entry: Entry) -> bool {
        self.entry = Some(entry);
        let is_news = self.since.is_none();
        self.since.get_or_insert_with(Instant::now);
        self.is_news |= is_news;
        is_news
    }

    /// What is to be tried again.
    pub(crate) fn take(&mut self) -> Option<Output> {
        self.entry.take().map(Output::Journal)
    }

    /// Whether it began, once.
    pub(crate) fn began(&mut self) -> bool {
        std::mem::take(&mut self.is_news)
    }

    /// Whether something waits for room.
    pub(crate) fn is_on(&self) -> bool {
        self.entry.is_some()
    }

    /// What there is to say once, when everything could be written.
    pub(crate) fn over(&mut self) -> Option<String> {
        if self.is_on() {
            return None;
        }
        let seconds = self.since.take()?.elapsed().as_secs();
        Some(format!(
            "The disk of this machine was full for {seconds} s. The agent was not read meanwhile; it goes on now, and \
             nothing is lost."
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_written_comes_again_and_the_end_is_said_once() {
        let mut standstill = Standstill::default();
        assert_eq!((standstill.is_on(), standstill.over()), (false, None));
        assert!(standstill.begin(Entry::Told));
        assert_eq!((standstill.is_on(), standstill.over()), (true, None));
        assert!(standstill.began() && !standstill.began());
        assert!(matches!(standstill.take(), Some(Output::Journal(Entry::Told))));
        assert!(!standstill.begin(Entry::Told), "no news");
        assert!(standstill.take().is_some());
        assert!(standstill.over().unwrap().contains("was full"));
        assert_eq!(standstill.over(), None);
    }
}
