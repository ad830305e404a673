//! What a terminal agent is to whoever starts it: it takes half a second to start, asks for bracketed
//! paste, shows where to type, and begins to work when what was pasted is submitted. Then it makes
//! the file DIR/NAME. Without NAME, `CLAWTEAM_AGENT_NAME` is its name.

use std::io::{self, BufRead, Write};
use std::path::PathBuf;
use std::time::Duration;
use std::{env, fs, thread};

fn main() -> io::Result<()> {
    let mut args = env::args_os().skip(1);
    let dir = PathBuf::from(args.next().expect("usage: agent DIR [NAME]"));
    let name = args.next().or_else(|| env::var_os("CLAWTEAM_AGENT_NAME")).expect("a name");
    thread::sleep(Duration::from_millis(500));
    print!("\x1b[?2004hready\r\n> ");
    io::stdout().flush()?;
    let mut taken = false;
    for line in io::stdin().lock().split(b'\n') {
        let line = line?;
        if !taken && line.windows(6).any(|part| part == b"\x1b[201~") {
            taken = true;
            fs::write(dir.join(&name), "")?;
            println!("working");
        }
    }
    Ok(())
}
