//! A line at the bottom of the terminals that look at a team.

use std::collections::BTreeSet;

use tmux_interface::{DisplayMessage, ListClients};

use super::command::{Server, literal, sequence};
use super::view::PREFIX;
use crate::core::TeamName;
use crate::ports::TerminalError;

/// Format of a [`ClientRow`].
const CLIENTS: &str = "#{client_name}\t#{session_name}\t#{@clawteam_session}\t#{@clawteam_pane}\t#{client_control_mode}";

/// A terminal that is attached to the server.
struct ClientRow<'a> {
    name: &'a str,
    session: &'a str,
    /// The team that the session was made for.
    team: &'a str,
    /// The tag of the pane that it shows.
    pane: &'a str,
    /// Whether a program reads it rather than a person.
    control: bool,
}

impl<'a> ClientRow<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.split('\t');
        let mut next = || fields.next();
        Some(Self {
            name: next()?,
            session: next()?,
            team: next()?,
            pane: next()?,
            control: next()? == "1",
        })
    }

    fn shows(&self, team: &TeamName) -> bool {
        let tagged = self.pane.split_once('/').map(|(tagged, _)| tagged);
        self.team == team.as_str() || tagged == Some(team.as_str())
    }

    /// The view of a whole team that this is a part of.
    fn view(&self) -> Option<&'a str> {
        let (view, number) = self.session.rsplit_once('-')?;
        (view.starts_with(PREFIX) && number.bytes().all(|b| b.is_ascii_digit())).then_some(view)
    }
}

/// The names of the clients to be told. Of a view, that is the one around all its parts.
fn clients<'a>(output: &'a str, team: &TeamName) -> Vec<&'a str> {
    let rows: Vec<ClientRow<'_>> = output.lines().filter_map(ClientRow::parse).collect();
    let ours = rows.iter().filter(|row| row.shows(team));
    let views: BTreeSet<&str> = ours.filter_map(ClientRow::view).collect();
    let told = rows.iter().filter(|row| {
        let part = row.view().is_some();
        !row.control && !part && (row.shows(team) || views.contains(row.session))
    });
    told.map(|row| row.name).collect()
}

/// `line` as tmux shows it literally: neither its own formats nor those of times are filled in.
fn escaped(line: &str) -> String {
    line.replace('#', "##").replace('%', "%%")
}

/// See [`crate::ports::Terminal::show_message`].
pub(super) fn show(server: &Server, team: &TeamName, line: &str) -> Result<usize, TerminalError> {
    let reply = server.run(sequence([ListClients::new().format(CLIENTS).build()]))?;
    if reply.no_server() || reply.no_target() {
        return Ok(0);
    }
    let output = reply.ok()?;
    let mut told = 0;
    for client in clients(&output, team) {
        let mut show = DisplayMessage::new().target_client(client).build();
        let message = escaped(line);
        // A line that begins with a dash is no option.
        show.push_param("--");
        show.push_param(literal(&message));
        // One that has gone meanwhile needs no message.
        told += usize::from(server.run(sequence([show]))?.succeeded());
    }
    Ok(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_looks_at_the_team_is_told_once() {
        let output = "/dev/pts/1\tclawteam-t\tt\tt/ann\t0\n\
                      /dev/pts/2\tclawteam-u\tu\tu/bob\t0\n\
                      /dev/pts/3\tclawteam-view-ab\t\t\t0\n\
                      /dev/pts/4\tclawteam-view-ab-0\t\tt/ann\t0\n\
                      /dev/pts/5\tclawteam-view-ab-1\t\tt/ben\t0\n\
                      /dev/pts/6\tclawteam-view-cd\t\t\t0\n\
                      /dev/pts/7\tclawteam-view-cd-0\t\tu/bob\t0\n\
                      /dev/pts/8\tmine\t\tt/ann\t0\n\
                      program\tclawteam-t\tt\tt/ann\t1\n\
                      broken\n";
        let team = TeamName::parse("t").expect("a name");
        assert_eq!(clients(output, &team), ["/dev/pts/1", "/dev/pts/3", "/dev/pts/8"]);
    }

    #[test]
    fn nothing_is_filled_in() {
        assert_eq!(escaped("50% #{pane_id} #(ls)"), "50%% ##{pane_id} ##(ls)");
    }
}
