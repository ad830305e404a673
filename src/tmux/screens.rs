//! Looking at many panes at once, and pressing keys in one.

use std::collections::HashMap;

use uuid::Uuid;

use tmux_interface::{CapturePane, IfShell, ListPanes};

use super::command::{Server, sequence};
use super::pane::Pane;
use crate::ports::TerminalError;
use crate::ports::terminal::{Shown, Window};

/// Panes asked for in one call. tmux takes a command line of about 16 KiB, and a pane takes 150
/// bytes of it.
const BATCH: usize = 100;

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
    let panes: Vec<(usize, Pane)> = windows
        .iter()
        .enumerate()
        .filter_map(|(number, window)| Some((number, Pane::of(window)?)))
        .collect();
    let mut found = vec![None; windows.len()];
    if panes.is_empty() {
        return Ok(found);
    }
    // tmux takes half as long if it need not be asked about each pane by itself.
    let parts = match all_there(server, &panes)? {
        Some(parts) => parts,
        None => those_there(server, &panes)?,
    };
    for part in parts {
        // A pane of the same number on another server is another pane.
        if windows.get(part.number).is_some_and(|window| window.server == part.server) {
            found[part.number] = Some(part.shown);
        }
    }
    Ok(found)
}

/// What begins the lines that we ask tmux for; nothing that a program can show does.
fn mark() -> String {
    Uuid::new_v4().simple().to_string()[..16].to_owned()
}

/// One pane of what tmux wrote.
#[derive(Debug, PartialEq, Eq)]
struct Part {
    /// Which of those asked for.
    number: usize,
    server: String,
    shown: Shown,
}

/// Asks for all panes in a list and then for what each shows. `None` if one of them is gone, which
/// ends the sequence.
fn all_there(server: &Server, panes: &[(usize, Pane)]) -> Result<Option<Vec<Part>>, TerminalError> {
    let mark = mark();
    let head =
        format!("{mark} #{{pane_id}} #{{pane_height}} #{{pane_dead}} #{{pid}}:#{{start_time}}");
    let list = ListPanes::new().all().format(head).build();
    let capture = |pane: &Pane| {
        CapturePane::new().stdout().escape_sequences().target_pane(pane.id().to_owned()).build()
    };
    let captures = panes.iter().map(|(_, pane)| capture(pane));
    let reply = server.run(sequence(std::iter::once(list).chain(captures)))?;
    if reply.no_server() {
        return Ok(Some(Vec::new()));
    }
    if reply.no_target() {
        return Ok(None);
    }
    Ok(listed(&reply.ok()?, &mark, panes))
}

/// The panes in a list and what they show, each as many lines as it is high. `None` if the lines
/// do not come out even.
fn listed(output: &str, mark: &str, panes: &[(usize, Pane)]) -> Option<Vec<Part>> {
    let mut lines = output.lines().peekable();
    let mut heads: HashMap<&str, (usize, bool, &str)> = HashMap::new();
    while let Some(head) = lines.next_if(|line| line.starts_with(mark)) {
        let mut words = head[mark.len()..].split_ascii_whitespace();
        let (id, height, dead) = (words.next()?, words.next()?.parse().ok()?, words.next()? == "1");
        heads.insert(id, (height, dead, words.next()?));
    }
    let mut parts = Vec::with_capacity(panes.len());
    for (number, pane) in panes {
        let (height, ended, server) = heads.get(pane.id())?;
        let mut screen = String::new();
        for _ in 0..*height {
            screen.push_str(lines.next()?);
            screen.push('\n');
        }
        let shown = Shown { screen, ended: *ended };
        parts.push(Part { number: *number, server: (*server).to_owned(), shown });
    }
    lines.next().is_none().then_some(parts)
}

/// Asks of each pane whether it is there and what it shows.
fn those_there(server: &Server, panes: &[(usize, Pane)]) -> Result<Vec<Part>, TerminalError> {
    let mark = mark();
    let ask = |(number, pane): &(usize, Pane)| {
        let id = pane.id();
        let head = format!("{mark} {number} #{{pane_dead}} #{{pid}}:#{{start_time}}");
        IfShell::new()
            .not_execute()
            .target_pane(id.to_owned())
            .shell_command(format!("#{{==:#{{pane_id}},{id}}}"))
            .command(format!("display -pt{id} '{head}' ; capturep -pet{id}"))
            .build()
    };
    let reply = server.run(sequence(panes.iter().map(ask)))?;
    if reply.no_server() {
        return Ok(Vec::new());
    }
    Ok(marked(&reply.ok()?, &mark))
}

/// The panes in what tmux wrote, each after a line with the mark.
fn marked(output: &str, mark: &str) -> Vec<Part> {
    let mut found: Vec<Part> = Vec::new();
    for line in output.lines() {
        let head = line.strip_prefix(mark).and_then(|rest| {
            let mut words = rest.split_ascii_whitespace();
            Some((words.next()?.parse().ok()?, words.next()? == "1", words.next()?.to_owned()))
        });
        if let Some((number, ended, server)) = head {
            found.push(Part { number, server, shown: Shown { screen: String::new(), ended } });
        } else if let Some(part) = found.last_mut() {
            part.shown.screen.push_str(line);
            part.shown.screen.push('\n');
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

    fn part(number: usize, server: &str, screen: &str, ended: bool) -> Part {
        Part { number, server: server.into(), shown: Shown { screen: screen.into(), ended } }
    }

    #[test]
    fn each_pane_gets_its_own_lines() {
        let output = "m 0 0 7:9\na\n\nb\nm 2 1 7:8\nPane is dead\n";
        let expected = [part(0, "7:9", "a\n\nb\n", false), part(2, "7:8", "Pane is dead\n", true)];
        assert_eq!(marked(output, "m"), expected);
        assert!(marked("no mark\n", "m").is_empty());
    }

    #[test]
    fn panes_in_a_list_are_told_apart_by_their_heights() {
        let pane = |id: &str| {
            let (window, session) = ("@1".to_owned(), "s".to_owned());
            let window = Window { window, session, pane: id.into(), server: "7:9".into() };
            Pane::of(&window).expect("a pane")
        };
        let panes = [(0, pane("%5")), (3, pane("%1"))];
        let output = "m %1 1 1 7:9\nm %2 9 0 7:9\nm %5 2 0 7:9\na\n\nb\n";
        let expected = vec![part(0, "7:9", "a\n\n", false), part(3, "7:9", "b\n", true)];
        assert_eq!(listed(output, "m", &panes), Some(expected));
        // Where the counts do not agree, nothing is guessed.
        for bad in ["m %1 1 1 7:9\nm %5 2 0 7:9\na\n\n", "m %5 1 0 7:9\na\n", ""] {
            assert_eq!(listed(bad, "m", &panes), None, "{bad:?}");
        }
        let long = "m %1 1 1 7:9\nm %5 2 0 7:9\na\n\nb\nc\n";
        assert_eq!(listed(long, "m", &panes), None);
    }
}
