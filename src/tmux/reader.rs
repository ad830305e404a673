//! Whether a program waits for what is typed, as far as the system shows it.

use std::path::Path;

/// What the processes in the foreground of a terminal do.
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "only Linux tells"))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waiting {
    /// One waits for this terminal.
    Yes,
    /// One waits for several things, of which the terminal may be one.
    Maybe,
    /// None waits for the terminal.
    No,
    /// The system does not tell.
    Unknown,
}

/// What the foreground of the terminal `tty` waits for. `leader` is the first process in it.
#[cfg(target_os = "linux")]
pub(super) fn waiting(leader: u32, tty: &Path) -> Waiting {
    linux::foreground(leader, tty)
}

/// What the foreground of the terminal waits for: not told by this system.
#[cfg(not(target_os = "linux"))]
pub(super) fn waiting(_leader: u32, _tty: &Path) -> Waiting {
    Waiting::Unknown
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::Waiting;

    /// Looks at every process of the foreground group of the terminal of `leader`.
    pub(super) fn foreground(leader: u32, tty: &Path) -> Waiting {
        let Some((_, group)) = groups(leader) else { return Waiting::Unknown };
        let Ok(group) = u32::try_from(group) else { return Waiting::No };
        // The first of the group nearly always still runs and is the one that reads.
        let first = process(group, tty);
        if first == Waiting::Yes {
            return first;
        }
        let rest = members(leader, group).into_iter().filter(|pid| *pid != group);
        rest.map(|pid| process(pid, tty)).fold(first, most)
    }

    /// The stronger of two pieces of evidence.
    fn most(one: Waiting, other: Waiting) -> Waiting {
        let weight = |waiting| match waiting {
            Waiting::Yes => 3,
            Waiting::Maybe => 2,
            Waiting::Unknown => 1,
            Waiting::No => 0,
        };
        if weight(other) > weight(one) { other } else { one }
    }

    fn process(pid: u32, tty: &Path) -> Waiting {
        let root = PathBuf::from(format!("/proc/{pid}"));
        let Some(files) = links(&root.join("fd")) else {
            // Gone since the list was made, or hidden.
            return if root.exists() { Waiting::Unknown } else { Waiting::No };
        };
        let is_tty = |link: &Path| link == tty || link == Path::new("/dev/tty");
        if !files.iter().any(|(_, link)| is_tty(link)) {
            return Waiting::No;
        }
        let watched = files.iter().filter(|(_, link)| link.ends_with("anon_inode:[eventpoll]"));
        for (epoll, _) in watched {
            let text = fs::read_to_string(root.join(format!("fdinfo/{epoll}"))).unwrap_or_default();
            let read = epoll_reads(&text);
            if files.iter().any(|(fd, link)| read.contains(fd) && is_tty(link)) {
                return Waiting::Yes;
            }
        }
        let sockets = files.iter().any(|(_, link)| link.to_string_lossy().starts_with("socket:"));
        let on_tty = |fd: u32| files.iter().any(|(open, link)| *open == fd && is_tty(link));
        let one = |(place, call): (String, Option<String>)| match classify(&place) {
            // Sockets are waited for in the same place, so the file has to be known.
            Waiting::Yes if place.trim() == "wait_woken" => {
                match call.as_deref().map(first_argument) {
                    Some(Some(fd)) if on_tty(fd) => Waiting::Yes,
                    Some(_) => Waiting::No,
                    None if sockets => Waiting::Maybe,
                    None => Waiting::Yes,
                }
            }
            other => other,
        };
        threads(&root).map(one).fold(Waiting::No, most)
    }

    /// Where in the kernel each thread sleeps, and the system call that it is in, if the system
    /// lets others read that.
    fn threads(root: &Path) -> impl Iterator<Item = (String, Option<String>)> {
        let tasks = fs::read_dir(root.join("task")).into_iter().flatten().flatten();
        tasks.filter_map(|task| {
            let place = fs::read_to_string(task.path().join("wchan")).ok()?;
            Some((place, fs::read_to_string(task.path().join("syscall")).ok()))
        })
    }

    /// The first argument of the system call in a line such as `0 0x3 0x7f8b 0x2000 …`, which is
    /// the descriptor if it is one that reads.
    fn first_argument(call: &str) -> Option<u32> {
        let word = call.split_ascii_whitespace().nth(1)?;
        u32::from_str_radix(word.strip_prefix("0x")?, 16).ok()
    }

    /// What a place in the kernel says about a thread of a process that has the terminal open.
    /// `0` is a thread that runs, and every thread where the kernel keeps that to itself; then
    /// the screen has to decide.
    fn classify(place: &str) -> Waiting {
        let place = place.trim();
        if place.starts_with("n_tty_read") || place == "wait_woken" {
            Waiting::Yes
        } else if place.starts_with("ep_") || place.contains("epoll") {
            // What it watches is known, and the terminal was not among it.
            Waiting::No
        } else if place.contains("poll") || place.contains("select") {
            Waiting::Maybe
        } else if place == "0" || place.is_empty() {
            Waiting::Unknown
        } else {
            Waiting::No
        }
    }

    /// The descriptors that an epoll instance watches for input, from its `fdinfo`.
    fn epoll_reads(text: &str) -> Vec<u32> {
        const INPUT: u64 = 1;
        let watched = |line: &str| {
            let mut words = line.strip_prefix("tfd:")?.split_ascii_whitespace();
            let fd = words.next()?.parse().ok()?;
            let events = words.nth(1).and_then(|word| u64::from_str_radix(word, 16).ok())?;
            (events & INPUT != 0).then_some(fd)
        };
        text.lines().filter_map(watched).collect()
    }

    /// The open files of a process: number and what it is.
    fn links(directory: &Path) -> Option<Vec<(u32, PathBuf)>> {
        let files = fs::read_dir(directory).ok()?.flatten();
        let link = |file: fs::DirEntry| {
            let number = file.file_name().to_str()?.parse().ok()?;
            Some((number, fs::read_link(file.path()).ok()?))
        };
        Some(files.filter_map(link).collect())
    }

    /// The group of a process, and the foreground group of its terminal.
    fn groups(pid: u32) -> Option<(i32, i32)> {
        let bytes = fs::read(format!("/proc/{pid}/stat")).ok()?;
        parse_groups(&String::from_utf8_lossy(&bytes))
    }

    fn parse_groups(stat: &str) -> Option<(i32, i32)> {
        // The program's name, in parentheses, may hold anything.
        let (_, rest) = stat.rsplit_once(')')?;
        let mut fields = rest.split_ascii_whitespace();
        let group = fields.nth(2)?.parse().ok()?;
        let foreground = fields.nth(2)?.parse().ok()?;
        Some((group, foreground))
    }

    /// The processes of `group` that descend from `leader`, as all in its terminal do.
    fn members(leader: u32, group: u32) -> Vec<u32> {
        // A bound in case the tree changes under the walk in a way that makes a circle of it.
        const MOST: usize = 1000;
        let mut found = vec![leader];
        let mut next = 0;
        while let Some(pid) = found.get(next).copied().filter(|_| found.len() < MOST) {
            next += 1;
            found.extend(children(pid));
        }
        let is_member = |pid: &u32| {
            groups(*pid).is_some_and(|(own, _)| u32::try_from(own).is_ok_and(|own| own == group))
        };
        found.into_iter().filter(is_member).collect()
    }

    fn children(pid: u32) -> Vec<u32> {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        tasks
            .filter_map(|task| fs::read_to_string(task.path().join("children")).ok())
            .flat_map(|list| list.split_ascii_whitespace().map(str::parse).collect::<Vec<_>>())
            .flatten()
            .collect()
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn groups_are_found_whatever_the_program_is_called() {
            let stat = "42 (a) R 9 (b) S 1 77 78 34816 79 4194304 5";
            assert_eq!(parse_groups(stat), Some((77, 79)));
            assert_eq!(parse_groups("42 (x) S 1"), None);
        }

        #[test]
        fn a_thread_that_reads_the_terminal_is_recognised() {
            assert_eq!(classify("n_tty_read"), Waiting::Yes);
            assert_eq!(classify("wait_woken\n"), Waiting::Yes);
            assert_eq!(classify("do_poll.constprop.0"), Waiting::Maybe);
            assert_eq!(classify("do_select"), Waiting::Maybe);
            assert_eq!(classify("ep_poll"), Waiting::No);
            assert_eq!(classify("do_epoll_wait"), Waiting::No);
            assert_eq!(classify("hrtimer_nanosleep"), Waiting::No);
            assert_eq!(classify("do_wait"), Waiting::No);
            assert_eq!(classify("0"), Waiting::Unknown);
        }

        #[test]
        fn the_file_that_is_read_is_found() {
            assert_eq!(first_argument("0 0x13 0x7f8b 0x2000 0xffff 0x7ffe 0x7f8b\n"), Some(0x13));
            assert_eq!(first_argument("running\n"), None);
            assert_eq!(first_argument("0 0xffffffffffffffff"), None);
        }

        #[test]
        fn only_descriptors_watched_for_input_count() {
            let text = "pos:\t0\nflags:\t02\nmnt_id:\t16\nino:\t9\n\
                        tfd:       17 events:       19 data:       11 pos:0 ino:8 sdev:19\n\
                        tfd:        5 events: 8000001c data:        5 pos:0 ino:8 sdev:19\n";
            assert_eq!(epoll_reads(text), [17]);
            assert_eq!(epoll_reads(""), Vec::<u32>::new());
        }

        #[test]
        fn the_strongest_evidence_counts() {
            assert_eq!(most(Waiting::No, Waiting::Yes), Waiting::Yes);
            assert_eq!(most(Waiting::Maybe, Waiting::Unknown), Waiting::Maybe);
            assert_eq!(most(Waiting::Unknown, Waiting::No), Waiting::Unknown);
        }
    }
}
