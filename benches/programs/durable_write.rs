//! The least that a durable write of one document can be: 600 bytes into a new file, `fdatasync`,
//! rename, `fsync` of the directory. No lock, no parsing, no answer.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};
use std::{env, process};

fn main() -> io::Result<()> {
    let dir = PathBuf::from(env::args_os().nth(1).expect("usage: durable_write DIR"));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_nanos();
    let name = format!("{}-{now}", process::id());
    let temporary = dir.join(format!("{name}.tmp"));
    let mut file = File::create_new(&temporary)?;
    file.write_all(&[b'x'; 600])?;
    file.sync_data()?;
    fs::rename(&temporary, dir.join(format!("{name}.json")))?;
    File::open(&dir)?.sync_all()
}
