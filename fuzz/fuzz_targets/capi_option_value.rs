#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| team::fuzz::run("capi_option_value", input));
