//! The checker can fail: a part that is broken on purpose is caught, by what it breaks.

use portcullis_sim::{Kind, Mutation, Options, run};

/// Seeds that are tried until one shows the fault.
const TRIES: u64 = 12;

fn is_caught_as(kind: Kind, options: Options) {
    let found = (0..TRIES).any(|seed| {
        let outcome = run(seed, options);
        outcome.violations.iter().any(|violation| violation.kind == kind)
    });
    assert!(found, "{options:?} was not caught as {kind:?} in {TRIES} seeds");
}

fn broken(mutation: Mutation) -> Options {
    Options { mutation, ..Options::default() }
}

#[test]
fn a_bridge_that_writes_a_prompt_twice_is_caught() {
    is_caught_as(Kind::Duplicated, broken(Mutation::PromptTwice));
}

#[test]
fn a_bridge_that_swaps_two_events_is_caught() {
    is_caught_as(Kind::Reordered, broken(Mutation::SwapsEvents));
}

#[test]
fn a_bridge_that_allows_what_was_denied_is_caught() {
    is_caught_as(Kind::Approval, broken(Mutation::AllowsAll));
}

#[test]
fn a_bridge_that_swallows_decisions_is_caught() {
    is_caught_as(Kind::Approval, broken(Mutation::SwallowsDecisions));
}

#[test]
fn a_store_that_loses_an_acknowledged_event_is_caught() {
    is_caught_as(Kind::Lost, Options { store_loses: true, ..Options::default() });
}

#[test]
fn a_client_that_shows_other_bytes_than_the_log_has_is_caught() {
    is_caught_as(Kind::Shown, Options { garbles: true, ..Options::default() });
}
