//! What makes an operating system call `clawteam tick` again and again.

use crate::core::{Diagnose, Exit, Span};

/// The name of the units and of the job.
pub const NAME: &str = "clawteam-tick";
/// The name of the job for launchd.
pub const LABEL: &str = "clawteam.tick";
/// What marks our line of a crontab.
const MARK: &str = "# clawteam tick";

/// What is to be called.
#[derive(Debug, Clone)]
pub struct Call {
    /// The program, as an absolute path.
    pub program: String,
    /// The data directory.
    pub data_dir: String,
    /// Where programs are found.
    pub path: String,
    /// How often.
    pub every: Span,
}

/// The service manager cannot call so often.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{manager} cannot do something every {every}")]
pub struct Unsuitable {
    manager: &'static str,
    every: Span,
}

impl Diagnose for Unsuitable {
    fn code(&self) -> &'static str {
        "unsuitable_interval"
    }

    fn hint(&self) -> Option<String> {
        Some(
            match self.manager {
                "cron" => {
                    "cron knows minutes that divide an hour and hours that divide a day: 1m, 5m, 2h"
                }
                _ => "at least a second",
            }
            .into(),
        )
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

impl Call {
    fn seconds(&self, manager: &'static str) -> Result<u64, Unsuitable> {
        let seconds = self.every.as_millis() / 1000;
        if seconds == 0 { Err(Unsuitable { manager, every: self.every }) } else { Ok(seconds) }
    }

    /// The service and the timer for systemd, in this order.
    pub fn systemd(&self) -> Result<[(String, String); 2], Unsuitable> {
        let seconds = self.seconds("systemd")?;
        let words = [&self.program, "--data-dir", &self.data_dir, "tick"].map(systemd_word);
        let service = format!(
            "# Made by `clawteam setup timer`; taken away by `clawteam setup timer --remove`.\n\
             [Unit]\n\
             Description=What is due in clawteam\n\
             \n\
             [Service]\n\
             Type=oneshot\n\
             Environment={}\n\
             ExecStart={}\n\
             # Agents that are started live on.\n\
             KillMode=process\n",
            systemd_quoted(&format!("PATH={}", self.path)),
            words.join(" "),
        );
        let timer = format!(
            "# Made by `clawteam setup timer`; taken away by `clawteam setup timer --remove`.\n\
             [Unit]\n\
             Description=What is due in clawteam, every {}\n\
             \n\
             [Timer]\n\
             OnActiveSec=1s\n\
             OnUnitActiveSec={seconds}s\n\
             AccuracySec=1s\n\
             \n\
             [Install]\n\
             WantedBy=timers.target\n",
            self.every
        );
        Ok([(format!("{NAME}.service"), service), (format!("{NAME}.timer"), timer)])
    }

    /// The line of a crontab.
    pub fn crontab_line(&self) -> Result<String, Unsuitable> {
        let unsuitable = || Unsuitable { manager: "cron", every: self.every };
        let seconds = self.seconds("cron")?;
        let minutes = seconds / 60;
        let when = match minutes {
            _ if seconds % 60 != 0 => return Err(unsuitable()),
            1 => "* * * * *".to_owned(),
            2..=59 if 60 % minutes == 0 => format!("*/{minutes} * * * *"),
            60 => "0 * * * *".to_owned(),
            1440 => "0 0 * * *".to_owned(),
            _ if minutes % 60 == 0 && minutes < 1440 && 1440 % minutes == 0 => {
                format!("0 */{} * * *", minutes / 60)
            }
            _ => return Err(unsuitable()),
        };
        let word = |text: &str| shell_word(text).replace('%', "\\%");
        Ok(format!(
            "{when} PATH={} {} --data-dir {} tick >/dev/null 2>&1 {MARK}",
            word(&self.path),
            word(&self.program),
            word(&self.data_dir)
        ))
    }

    /// The job for launchd.
    pub fn launchd(&self) -> Result<String, Unsuitable> {
        let seconds = self.seconds("launchd")?;
        let text =
            |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        Ok(format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \
             \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n\
             <plist version=\"1.0\">\n\
             <dict>\n\
             \x20 <key>Label</key><string>{LABEL}</string>\n\
             \x20 <key>ProgramArguments</key>\n\
             \x20 <array>\n\
             \x20   <string>{}</string>\n\
             \x20   <string>--data-dir</string>\n\
             \x20   <string>{}</string>\n\
             \x20   <string>tick</string>\n\
             \x20 </array>\n\
             \x20 <key>EnvironmentVariables</key>\n\
             \x20 <dict><key>PATH</key><string>{}</string></dict>\n\
             \x20 <key>StartInterval</key><integer>{seconds}</integer>\n\
             \x20 <key>RunAtLoad</key><true/>\n\
             \x20 <key>AbandonProcessGroup</key><true/>\n\
             </dict>\n\
             </plist>\n",
            text(&self.program),
            text(&self.data_dir),
            text(&self.path)
        ))
    }
}

/// A crontab with our line in it, in place of one that was there, or without one.
pub fn edit_crontab(crontab: &str, line: Option<&str>) -> String {
    let mut lines: Vec<&str> =
        crontab.lines().filter(|line| !line.trim_end().ends_with(MARK)).collect();
    lines.extend(line);
    if lines.is_empty() { String::new() } else { lines.join("\n") + "\n" }
}

/// A word of a systemd command line: nothing in it is a variable or a specifier.
fn systemd_word(word: impl AsRef<str>) -> String {
    systemd_quoted(&word.as_ref().replace('$', "$$"))
}

fn systemd_quoted(text: &str) -> String {
    let text = text.replace('%', "%%").replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{text}\"")
}

fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@:,=".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(every: &str) -> Call {
        Call {
            program: "/opt/my tools/100%/clawteam".into(),
            data_dir: "/home/ann/$x".into(),
            path: "/bin:/usr/bin".into(),
            every: every.parse().expect("a length of time"),
        }
    }

    #[test]
    fn names_with_special_characters_arrive_as_they_are() {
        let [(_, service), (_, timer)] = call("90s").systemd().expect("it suits");
        let line = "ExecStart=\"/opt/my tools/100%%/clawteam\" \"--data-dir\" \"/home/ann/$$x\" \
                    \"tick\"";
        assert!(service.contains(line), "{service}");
        assert!(timer.contains("OnUnitActiveSec=90s"), "{timer}");
        assert_eq!(
            call("5m").crontab_line().expect("it suits"),
            "*/5 * * * * PATH=/bin:/usr/bin '/opt/my tools/100\\%/clawteam' --data-dir \
             '/home/ann/$x' tick >/dev/null 2>&1 # clawteam tick"
        );
    }

    #[test]
    fn cron_is_told_only_what_it_can_do() {
        for (every, when) in [
            ("1m", "* * * * *"),
            ("30m", "*/30 * * * *"),
            ("1h", "0 * * * *"),
            ("6h", "0 */6 * * *"),
            ("1d", "0 0 * * *"),
        ] {
            let line = call(every).crontab_line().expect(every);
            assert!(line.starts_with(&format!("{when} PATH=")), "{line}");
        }
        for every in ["30s", "90s", "7m", "5h", "2d", "0s"] {
            assert!(call(every).crontab_line().is_err(), "{every} was taken");
        }
    }

    #[test]
    fn other_lines_of_a_crontab_stay() {
        let line = call("1m").crontab_line().expect("it suits");
        let before = "MAILTO=me\n0 1 * * * backup\n";
        let with = edit_crontab(before, Some(&line));
        assert_eq!(with, format!("{before}{line}\n"));
        assert_eq!(edit_crontab(&with, Some(&line)), with);
        assert_eq!(edit_crontab(&with, None), before);
        assert_eq!(edit_crontab("", None), "");
    }
}
