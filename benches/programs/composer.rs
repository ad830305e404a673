//! An agent program as far as a terminal shows it: a composer that takes pasted text and is quick.
//! It writes down, in nanoseconds since 1970, when a text was whole in its composer.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::process::Command;
use std::time::SystemTime;

fn now() -> u128 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_nanos())
}

fn draw(history: &str, draft: &str) {
    let rule = "─".repeat(40);
    let screen = format!("\x1b[H\x1b[2J{history}\r\n{rule}\r\n❯ {draft}\r\n{rule}\r\n  ? for shortcuts");
    let mut out = std::io::stdout();
    let _ = out.write_all(screen.as_bytes());
    let _ = out.flush();
}

fn main() {
    let _ = Command::new("stty").args(["raw", "-echo"]).status();
    print!("\x1b[?2004h");
    let mut log = std::env::args().nth(1).map(|path| {
        OpenOptions::new().append(true).create(true).open(path).expect("the log can be written")
    });
    let (mut history, mut typed) = (String::new(), Vec::new());
    draw(&history, "");
    let mut input = std::io::stdin();
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = input.read(&mut bytes) {
        for &byte in &bytes[..count] {
            let pasted = typed.starts_with(b"\x1b[200~");
            let whole = typed.ends_with(b"\x1b[201~");
            if byte != b'\r' || (pasted && !whole) {
                typed.push(byte);
                if typed.ends_with(b"\x1b[201~") {
                    if let Some(log) = &mut log {
                        let _ = writeln!(log, "{}", now());
                    }
                }
                continue;
            }
            let text = String::from_utf8_lossy(&typed).into_owned();
            let lines = text.lines().count();
            history = format!("> a message of {lines} lines at {}\r\n", now());
            typed.clear();
        }
        let draft = if typed.is_empty() { "" } else { "a draft" };
        draw(&history, draft);
    }
}
