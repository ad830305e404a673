//! Every command as it is typed: results, texts, exit statuses and errors.

mod answer;
mod board;
mod broken;
mod config;
mod general;
mod identity;
mod inbox;
mod lifecycle;
mod names;
mod plan;
mod python;
mod task;
mod team;
mod waiting;
mod workspace;
