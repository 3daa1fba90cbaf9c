#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| libteam::testing::fuzz::run("attribute", input));
