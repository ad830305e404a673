//! Taking the prompt from the terminal, where it is pasted or typed.

use std::io::{self, Read};

use rustix::termios::{
    InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};

use super::AgentError;
use super::typed::{Step, Typed};

/// Asks the terminal to mark where pasted text begins and ends.
const MARK_PASTES: &[u8] = b"\x1b[?2004h";
/// Asks it not to.
const MARK_NO_PASTES: &[u8] = b"\x1b[?2004l";

/// A terminal that hands over every key as it is typed, until this is dropped.
struct Keys<'a> {
    before: Termios,
    write: &'a mut dyn FnMut(&[u8]),
}

impl<'a> Keys<'a> {
    fn new(write: &'a mut dyn FnMut(&[u8])) -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut modes = before.clone();
        modes.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG);
        modes.input_modes.remove(InputModes::ICRNL | InputModes::IXON);
        modes.special_codes[SpecialCodeIndex::VMIN] = 1;
        modes.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(io::stdin(), OptionalActions::Now, &modes)?;
        write(MARK_PASTES);
        Ok(Self { before, write })
    }
}

impl Drop for Keys<'_> {
    fn drop(&mut self) {
        (self.write)(MARK_NO_PASTES);
        let _ = tcsetattr(io::stdin(), OptionalActions::Drain, &self.before);
    }
}

/// Reads a text that is pasted or typed on the terminal and submitted with Enter. `write` writes
/// to the terminal. The terminal is left as it was found.
pub fn read(write: &mut dyn FnMut(&[u8])) -> Result<String, AgentError> {
    let keys = Keys::new(write).map_err(AgentError::Prompt)?;
    (keys.write)(b"clawteam scripted agent, waiting for its prompt\r\n> ");
    let mut typed = Typed::default();
    let mut bytes = [0; 4096];
    loop {
        let count = match io::stdin().lock().read(&mut bytes) {
            Ok(0) => return Err(AgentError::NoPrompt),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(AgentError::Prompt(error)),
        };
        for byte in &bytes[..count] {
            match typed.take(*byte) {
                Step::Silent => {}
                Step::Typed => (keys.write)(&[*byte]),
                Step::Erased => (keys.write)(b"\x08 \x08"),
                Step::Pasted(lines) => {
                    (keys.write)(format!("[{lines} lines pasted]").as_bytes());
                }
                Step::Done => {
                    (keys.write)(b"\r\n");
                    return Ok(typed.text());
                }
                Step::Interrupted => return Err(AgentError::Interrupted),
            }
        }
    }
}
