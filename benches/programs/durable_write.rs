//! The least that a durable write of a document can be: 600 bytes into a new file, `fdatasync`,
//! rename, `fsync` of the directory. No lock, no parsing, no answer. The second argument says how
//! many documents; without it, one.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};
use std::{env, process};

fn main() -> io::Result<()> {
    let mut args = env::args_os().skip(1);
    let dir = PathBuf::from(args.next().expect("usage: durable_write DIR [COUNT]"));
    let count = args.next().and_then(|text| text.to_str()?.parse().ok()).unwrap_or(1);
    for _ in 0..count {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
        let name = format!("{}-{}", process::id(), now.as_nanos());
        let temporary = dir.join(format!("{name}.tmp"));
        let mut file = File::create_new(&temporary)?;
        file.write_all(&[b'x'; 600])?;
        file.sync_data()?;
        fs::rename(&temporary, dir.join(format!("{name}.json")))?;
        File::open(&dir)?.sync_all()?;
    }
    Ok(())
}
