//! Any text through every decoder there is.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| portcullis_fuzz::decoder(bytes));
