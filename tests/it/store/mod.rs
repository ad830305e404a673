//! The storage layer: what it promises, and that it keeps it when power, disk or process fail.

// Enumerations print how much they tried; file names are compared as the store writes them.
#![allow(clippy::print_stdout, clippy::case_sensitive_file_extension_comparisons)]

mod broken;
mod conformance;
mod crash;
mod disk;
mod doctor;
mod explore;
mod files;
mod locks;
mod random;
mod runs;
mod scenarios;
mod sim;
mod steps;
