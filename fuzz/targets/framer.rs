//! Any bytes, cut anywhere, through the line framer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| portcullis_fuzz::framer(bytes));
