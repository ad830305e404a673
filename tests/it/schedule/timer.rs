//! `clawteam setup timer`, with stand-ins for the programs of the system.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::support::{World, names, tree};

/// A world whose `systemctl` and `crontab` only write down what they are asked.
fn world() -> World {
    let world = World::new();
    let bin = world.top().join("bin");
    fs::create_dir(&bin).expect("a directory can be made");
    let top = world.top().display().to_string();
    let stand_in = |name: &str, script: &str| {
        let file = bin.join(name);
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).expect("it can be written");
        fs::set_permissions(file, fs::Permissions::from_mode(0o755)).expect("it is ours");
    };
    stand_in("systemctl", &format!("echo \"$@\" >> {top}/systemctl.log"));
    stand_in(
        "crontab",
        &format!(
            "t={top}/crontab; case $1 in \
             -l) [ -e $t ] && cat $t || {{ echo 'no crontab' >&2; exit 1; }};; \
             -r) rm $t;; -) cat > $t;; esac"
        ),
    );
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([bin].into_iter().chain(std::env::split_paths(&path)));
    world.env("PATH", path.expect("a path"))
}

#[test]
fn a_systemd_timer_is_written_once_and_taken_away() {
    let world = world();
    let units = world.home().join(".config/systemd/user");
    let before = tree(&world.home());
    let shown = world.json(&["setup", "timer", "--print"]);
    assert_eq!(json!([shown["manager"], shown["applied"]]), json!(["systemd", false]));
    assert_eq!(tree(&world.home()), before, "showing it changed something");
    assert!(world.run(&["setup", "timer"]).exits(1).stderr.contains("nobody said yes"));
    assert_eq!(tree(&world.home()), before, "it was not confirmed");
    world.run(&["setup", "timer", "--every", "2m", "--yes"]).exits(0);
    world.run(&["setup", "timer", "--every", "2m", "--yes"]).exits(0);
    assert_eq!(names(&units), ["clawteam-tick.service", "clawteam-tick.timer"]);
    let service = fs::read_to_string(units.join("clawteam-tick.service")).expect("text");
    let data = world.data().display().to_string();
    assert!(service.contains(&format!("\"--data-dir\" \"{data}\" \"tick\"")), "{service}");
    let timer = fs::read_to_string(units.join("clawteam-tick.timer")).expect("text");
    assert!(timer.contains("OnUnitActiveSec=120s"), "{timer}");
    let log = fs::read_to_string(world.top().join("systemctl.log")).expect("it was called");
    assert!(log.contains("--user enable clawteam-tick.timer"), "{log}");
    world.run(&["setup", "timer", "--remove", "--yes"]).exits(0);
    let left = names(&units);
    assert!(left.iter().all(|name| name.contains("Z-")), "{left:?}");
    let log = fs::read_to_string(world.top().join("systemctl.log")).expect("it was called");
    assert!(log.contains("--user disable --now clawteam-tick.timer"), "{log}");
    world.run(&["setup", "timer", "--remove", "--yes"]).shows("Nothing is set up");
}

#[test]
fn other_lines_of_a_crontab_stay_and_are_kept_aside() {
    let world = world();
    let crontab = world.top().join("crontab");
    let set_up = ["setup", "timer", "--cron", "--yes"];
    let read = || fs::read_to_string(&crontab).unwrap_or_default();
    world.run(&set_up).exits(0);
    assert!(read().starts_with("* * * * * PATH="), "{}", read());
    world.run(&["setup", "timer", "--cron", "--remove", "--yes"]).exits(0);
    assert!(!crontab.exists(), "an empty crontab is left");
    fs::write(&crontab, "0 1 * * * backup\n").expect("it can be written");
    world.run(&set_up).exits(0);
    world.run(&set_up).exits(0);
    assert_eq!(read().lines().count(), 2, "{}", read());
    let kept = names(&world.home().join(".clawteam/trash"));
    assert!(kept.iter().any(|name| name.starts_with("crontab-")), "{kept:?}");
    world.run(&["setup", "timer", "--cron", "--remove", "--yes"]).exits(0);
    assert_eq!(read(), "0 1 * * * backup\n");
    world.run(&["setup", "timer", "--cron", "--every", "90s", "--yes"]).exits(2);
}

#[test]
fn a_job_for_launchd_is_shown() {
    let world = world();
    let shown = world.run(&["setup", "timer", "--launchd", "--print"]);
    shown.succeeds();
    assert!(shown.stdout.contains("<key>StartInterval</key><integer>60</integer>"), "{shown}");
    assert!(shown.stdout.contains("launchctl load"), "{shown}");
}
