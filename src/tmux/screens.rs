//! Looking at many panes at once, and pressing keys in one.

use uuid::Uuid;

use tmux_interface::TmuxCommand;

use super::command::{Server, sequence};
use super::pane::Pane;
use crate::ports::TerminalError;
use crate::ports::terminal::{Shown, Window};

/// Panes asked for in one call. tmux takes a command line of about 16 KiB.
const BATCH: usize = 40;

/// What each of the windows shows, in their order; `None` for one that is gone.
pub(super) fn look(
    server: &Server,
    windows: &[Window],
) -> Result<Vec<Option<Shown>>, TerminalError> {
    let mut shown = Vec::with_capacity(windows.len());
    for part in windows.chunks(BATCH) {
        shown.extend(look_at(server, part)?);
    }
    Ok(shown)
}

fn look_at(server: &Server, windows: &[Window]) -> Result<Vec<Option<Shown>>, TerminalError> {
    // Nothing that a program can show begins a line with this.
    let mark = Uuid::new_v4().simple().to_string();
    let commands = windows.iter().enumerate().filter_map(|(number, window)| {
        Some(capture(&Pane::of(window)?, &format!("{mark} {number}")))
    });
    let commands: Vec<TmuxCommand<'static>> = commands.collect();
    let mut found = vec![None; windows.len()];
    if commands.is_empty() {
        return Ok(found);
    }
    let reply = server.run(sequence(commands))?;
    if reply.no_server() {
        return Ok(found);
    }
    for (number, shown) in read(&reply.ok()?, &mark) {
        if let Some(place) = found.get_mut(number) {
            *place = Some(shown);
        }
    }
    Ok(found)
}

/// Writes a line with the mark and then the pane with its colours, if the pane is there.
fn capture(pane: &Pane, mark: &str) -> TmuxCommand<'static> {
    let id = pane.id();
    let same = format!("#{{==:#{{pane_id}},{id}}}");
    let commands =
        format!("display-message -p -t {id} '{mark} #{{pane_dead}}' ; capture-pane -p -e -t {id}");
    pane.guarded(&same, &commands, None)
}

/// The panes in what tmux wrote, each with its number.
fn read(output: &str, mark: &str) -> Vec<(usize, Shown)> {
    let mut found: Vec<(usize, Shown)> = Vec::new();
    for line in output.lines() {
        let number = line.strip_prefix(mark).and_then(|rest| {
            let (number, dead) = rest.trim_start().split_once(' ')?;
            Some((number.parse().ok()?, dead == "1"))
        });
        if let Some((number, ended)) = number {
            found.push((number, Shown { screen: String::new(), ended }));
        } else if let Some((_, shown)) = found.last_mut() {
            shown.screen.push_str(line);
            shown.screen.push('\n');
        }
    }
    found
}

/// Presses keys, by the names that tmux has for them, in the pane of a window. Returns whether
/// the pane could be typed into.
pub(super) fn press(
    server: &Server,
    window: &Window,
    keys: &[String],
) -> Result<bool, TerminalError> {
    let good = |key: &String| {
        !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    let Some(pane) = Pane::of(window).filter(|_| keys.iter().all(good)) else { return Ok(false) };
    let id = pane.id();
    let open = "#{&&:#{?pane_dead,0,1},#{?pane_input_off,0,1}}";
    let keys = keys.join(" ");
    let send =
        format!("copy-mode -q -t {id} ; send-keys -t {id} {keys} ; display-message -p typed");
    let reply = server.run(sequence([pane.guarded(open, &send, None)]))?;
    if reply.no_server() || reply.no_target() {
        return Ok(false);
    }
    Ok(reply.ok()?.contains("typed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pane_gets_its_own_lines() {
        let output = "m 0 0\na\n\nb\nm 2 1\nPane is dead\n";
        let found = read(output, "m");
        assert_eq!(found.len(), 2);
        assert_eq!(
            (found[0].0, found[0].1.screen.as_str(), found[0].1.ended),
            (0, "a\n\nb\n", false)
        );
        assert_eq!((found[1].0, found[1].1.ended), (2, true));
        assert!(read("no mark\n", "m").is_empty());
    }
}
