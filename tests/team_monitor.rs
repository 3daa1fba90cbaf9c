//! The screen of the example `team_monitor`, drawn without a terminal and without a team.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

#[allow(dead_code, reason = "the program's loop is not run here")]
#[path = "../examples/team_monitor/live/mod.rs"]
mod live;
