//! Any lines, as durable and volatile events, through the fold and a session.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| portcullis_fuzz::fold(bytes));
