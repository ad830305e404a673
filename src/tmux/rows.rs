//! What is asked of tmux with `-F`, and reading the answers: one row a line, fields between tabs.

use crate::core::{AgentName, TeamName};
use crate::ports::terminal::Window;

/// The option of a session that says which team it was made for. It has a name of its own, as
/// tmux answers for a session with the option of its current pane if that has one of that name.
pub(super) const SESSION_TAG: &str = "@clawteam_session";
/// The option of a pane, `<team>/<agent>`. Kept by the pane, not by its window, so that it goes
/// where the user moves the pane, and panes that the user adds to the window do not have it.
pub(super) const PANE_TAG: &str = "@clawteam_pane";
/// The options of a window, for people and their own formats.
pub(super) const WINDOW_TEAM_TAG: &str = "@clawteam_team";
/// See [`WINDOW_TEAM_TAG`].
pub(super) const WINDOW_AGENT_TAG: &str = "@clawteam_agent";

/// Format of a [`SessionRow`].
pub(super) const SESSIONS: &str =
    "#{pid}:#{start_time}\t#{session_name}\t#{socket_path}\t#{@clawteam_session}";
/// Format of a [`PaneRow`].
pub(super) const PANES: &str = "#{pid}:#{start_time}\t#{pane_id}\t#{window_id}\t#{session_name}\t\
                                #{pane_dead}\t#{@clawteam_session}\t#{@clawteam_pane}";
/// Format of a [`LookRow`].
pub(super) const LOOK: &str = "#{pid}:#{start_time}\t#{pane_dead}\t#{pane_input_off}\t\
                               #{cursor_x},#{cursor_y}\t#{pane_pid}\t#{pane_tty}";

/// A session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SessionRow {
    pub(super) server: String,
    pub(super) name: String,
    pub(super) socket: String,
    /// The team that it was made for; empty if clawteam did not make it.
    pub(super) team: String,
}

/// A pane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PaneRow {
    pub(super) server: String,
    pub(super) pane: String,
    pub(super) window: String,
    pub(super) session: String,
    pub(super) dead: bool,
    pub(super) session_team: String,
    pub(super) tag: String,
}

/// A pane looked at more closely.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LookRow {
    pub(super) server: String,
    pub(super) dead: bool,
    pub(super) input_off: bool,
    pub(super) cursor: String,
    pub(super) pid: u32,
    pub(super) tty: String,
}

impl SessionRow {
    fn parse(line: &str) -> Option<Self> {
        let [server, name, socket, team] = fields(line)?;
        Some(Self { server, name, socket, team })
    }
}

impl PaneRow {
    /// Reads one line of [`PANES`].
    pub(super) fn parse(line: &str) -> Option<Self> {
        let [server, pane, window, session, dead, session_team, tag] = fields(line)?;
        (is_id(&pane, '%') && is_id(&window, '@')).then_some(Self {
            server,
            pane,
            window,
            session,
            dead: dead == "1",
            session_team,
            tag,
        })
    }

    /// The agent of `team` that the pane was made for.
    pub(super) fn agent_of(&self, team: &TeamName) -> Option<AgentName> {
        let (tagged, agent) = self.tag.split_once('/')?;
        if tagged != team.as_str() {
            return None;
        }
        AgentName::parse(agent).ok()
    }

    /// The pane as it is recorded.
    pub(super) fn into_window(self) -> Window {
        Window { window: self.window, pane: self.pane, session: self.session, server: self.server }
    }
}

impl LookRow {
    /// Reads one line of [`LOOK`].
    pub(super) fn parse(line: &str) -> Option<Self> {
        let [server, dead, input_off, cursor, pid, tty] = fields(line)?;
        Some(Self {
            server,
            dead: dead == "1",
            input_off: input_off == "1",
            cursor,
            pid: pid.parse().ok()?,
            tty,
        })
    }
}

/// The rows of an answer to [`SESSIONS`].
pub(super) fn sessions(output: &str) -> Vec<SessionRow> {
    output.lines().filter_map(SessionRow::parse).collect()
}

/// The rows of an answer to [`PANES`], each pane once. tmux lists a pane for every session that
/// shows it; the one that was made for a team comes first.
pub(super) fn panes(output: &str) -> Vec<PaneRow> {
    let mut found: Vec<PaneRow> = Vec::new();
    for row in output.lines().filter_map(PaneRow::parse) {
        match found.iter_mut().find(|known| known.pane == row.pane) {
            None => found.push(row),
            Some(known) if known.session_team.is_empty() && !row.session_team.is_empty() => {
                *known = row;
            }
            Some(_) => {}
        }
    }
    found
}

/// Whether `text` is an id as tmux gives them: the sign and a number.
pub(super) fn is_id(text: &str, sign: char) -> bool {
    text.strip_prefix(sign).is_some_and(is_number)
}

/// Whether `text` names a server the way `#{pid}:#{start_time}` does.
pub(super) fn is_server(text: &str) -> bool {
    text.split_once(':').is_some_and(|(pid, start)| is_number(pid) && is_number(start))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// Exactly `N` fields. Only the last can hold a tab: it is the one that a user can set.
fn fields<const N: usize>(line: &str) -> Option<[String; N]> {
    let parts: Vec<String> = line.splitn(N, '\t').map(str::to_owned).collect();
    parts.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn team(name: &str) -> TeamName {
        TeamName::parse(name).expect("a good name")
    }

    #[test]
    fn a_pane_is_read_and_belongs_to_exactly_its_team() {
        let row = PaneRow::parse("7:99\t%3\t@2\tclawteam-de\t1\tde\tde/a.b").expect("a row");
        assert!(row.dead);
        assert_eq!(row.agent_of(&team("de")), AgentName::parse("a.b").ok());
        assert_eq!(row.agent_of(&team("d")), None);
        assert_eq!(row.agent_of(&team("dev")), None);
        assert_eq!(
            row.into_window(),
            Window {
                window: "@2".into(),
                pane: "%3".into(),
                session: "clawteam-de".into(),
                server: "7:99".into()
            }
        );
    }

    #[test]
    fn panes_without_a_tag_are_nobodys() {
        let row = PaneRow::parse("7:99\t%3\t@2\tclawteam-de\t0\tde\t").expect("a row");
        assert_eq!(row.agent_of(&team("de")), None);
        assert!(!row.dead);
    }

    #[test]
    fn other_lines_are_no_rows() {
        for line in
            ["", "x", "7:9\t%3\t@2\ts\t0\tde", "7:9\t3\t@2\ts\t0\tde\t", "7:9\t%3\t2\ts\t0\tde\t"]
        {
            assert_eq!(PaneRow::parse(line), None, "{line:?}");
        }
        assert_eq!(LookRow::parse("7:9\t0\t0\t1,2\tx\t/dev/pts/1"), None);
    }

    #[test]
    fn a_pane_in_several_sessions_counts_once() {
        let output = "7:9\t%1\t@1\tview\t0\t\tt/a\n7:9\t%1\t@1\tclawteam-t\t0\tt\tt/a\n\
                      7:9\t%2\t@2\tclawteam-t\t0\tt\tt/b\n7:9\t%2\t@2\tview\t0\t\tt/b\n";
        let found: Vec<_> = panes(output).into_iter().map(|row| (row.pane, row.session)).collect();
        assert_eq!(
            found,
            [("%1".into(), "clawteam-t".into()), ("%2".into(), "clawteam-t".to_owned())]
        );
    }

    #[test]
    fn sessions_are_read_with_their_team() {
        let rows = sessions("7:9\tclawteam-a\t/tmp/s\ta\n7:9\tmine\t/tmp/s\t\nbroken\n");
        let teams: Vec<_> = rows.iter().map(|row| (&*row.name, &*row.team)).collect();
        assert_eq!(teams, [("clawteam-a", "a"), ("mine", "")]);
    }

    #[test]
    fn a_look_is_read() {
        let row = LookRow::parse("7:9\t0\t1\t4,2\t123\t/dev/pts/1").expect("a row");
        assert_eq!((row.pid, &*row.tty, &*row.cursor), (123, "/dev/pts/1", "4,2"));
        assert!(row.input_off && !row.dead);
    }

    #[test]
    fn only_what_tmux_gives_out_is_an_id() {
        assert!(is_id("%0", '%') && is_id("@12", '@'));
        for bad in ["", "%", "0", "@1", "%1 ; kill-server", "%1\n", "%-1"] {
            assert!(!is_id(bad, '%'), "{bad:?}");
        }
        assert!(is_server("12:1700000000"));
        for bad in ["", "12", ":", "1:", "1:2,#{x}", "1:2:3"] {
            assert!(!is_server(bad), "{bad:?}");
        }
    }
}
