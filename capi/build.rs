//! Gives the library the SONAME that programs of the C library load.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libteam.so.5");
}
