//! Takes the seeds of the fuzz targets' corpora from a running kernel: what it sends while links
//! and teams live.
//!
//! From the repository's root: `cargo run --manifest-path fuzz/Cargo.toml --example capture`. Seeds
//! are named after the scene that they come from; those of an earlier run are written over, and
//! what fuzzing found stays. `fuzz/minimize` keeps the few that differ to the library.

mod hear;
mod message;
mod scenes;
mod seeds;

use std::error::Error;
use std::thread;

use nix::sched::{CloneFlags, unshare};
use seeds::Seeds;

fn main() -> Result<(), Box<dyn Error>> {
    let mut seeds = Seeds::default();
    for (name, scene) in scenes::SCENES {
        // A namespace lasts as long as its thread.
        let recorded = thread::spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace wants CAP_SYS_ADMIN");
            scenes::play(scene)
        });
        seeds.add(name, &recorded.join().expect("a scene plays"));
    }
    seeds.add_texts();
    seeds.write("fuzz/corpus".as_ref())
}
