//! Records the seeds of the fuzz targets' corpora on a running kernel: what it sends while links
//! and teams are created, changed and deleted.
//!
//! From the root of the repository: `cargo run --manifest-path fuzz/Cargo.toml --example capture`.
//! Seeds have the names of their scenes and replace those of an earlier run; found inputs are kept.
//! `fuzz/minimize` then keeps those with coverage of their own.

mod message;
mod recorder;
mod scenes;
mod seeds;

use std::error::Error;
use std::thread;

use nix::sched::{CloneFlags, unshare};
use seeds::Seeds;

fn main() -> Result<(), Box<dyn Error>> {
    let mut seeds = Seeds::default();
    for (name, scene) in scenes::SCENES {
        // A namespace exists as long as its thread.
        let recorded = thread::spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace wants CAP_SYS_ADMIN");
            scenes::play(scene)
        });
        seeds.add(name, &recorded.join().expect("a scene plays"));
    }
    seeds.add_texts();
    seeds.write("fuzz/corpus".as_ref())
}
