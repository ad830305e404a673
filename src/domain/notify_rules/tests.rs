use super::*;
use crate::core::Stamp;
use crate::domain::notification::{Refs, Status};

fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("an instant")
}

fn name(text: &str) -> Name {
    Name::parse(text).expect("a name")
}

fn notice(kind: &str, severity: Severity) -> Notification {
    Notification {
        schema: "clawteam.notification/1".into(),
        id: name("n1"),
        kind: kind.into(),
        severity,
        title: "t".into(),
        body: String::new(),
        team: "t".into(),
        to: Principal::Human,
        refs: Refs::default(),
        status: Status::Unread,
        read_at: None,
        created_at: Stamp::at(at("2026-03-01T12:00:00Z")),
        dedupe_key: None,
        channels: std::collections::BTreeMap::new(),
        extra: Extra::new(),
    }
}

fn rule(id: &str, kind: &str, channels: &[Channel]) -> Rule {
    Rule {
        id: name(id),
        kind: kind.into(),
        min_severity: Severity::Info,
        to: None,
        channels: channels.to_vec(),
        command: Vec::new(),
        url: None,
        quiet: None,
        dedupe_window: None,
        digest: None,
        extra: Extra::new(),
    }
}

fn rules(rules: impl IntoIterator<Item = Rule>) -> Rules {
    Rules { rules: rules.into_iter().collect(), ..Rules::default() }
}

#[test]
fn a_rule_picks_by_type_severity_and_principal() {
    let mut picky = rule("r", "run_*", &[Channel::Desktop]);
    picky.min_severity = Severity::Warning;
    assert!(picky.is_about(&notice("run_failed", Severity::Warning)));
    assert!(!picky.is_about(&notice("run_failed", Severity::Info)));
    assert!(!picky.is_about(&notice("node_failed", Severity::Critical)));
    picky.to = Some("human:ann".parse().expect("a principal"));
    assert!(!picky.is_about(&notice("run_failed", Severity::Critical)));
}

#[test]
fn each_channel_is_used_once_and_each_program() {
    let mut first = rule("a", "*", &[Channel::Terminal, Channel::Desktop, Channel::Command]);
    first.command = vec!["x".into()];
    let mut second = rule("b", "*", &[Channel::Desktop, Channel::Tmux, Channel::Command]);
    second.command = vec!["y".into()];
    let now = at("2026-03-01T12:00:00Z");
    let planned = rules([first, second]).plan(&notice("custom", Severity::Info), now);
    let seen: Vec<String> = planned.iter().map(Planned::name).collect();
    assert_eq!(seen, ["desktop", "command:a", "tmux", "command:b"]);
    assert!(planned.iter().all(|one| one.due == now && one.since.is_none()));
}

#[test]
fn quiet_hours_end_where_their_people_live() {
    let quiet = Quiet::parse("22:00-07:00", "Europe/Berlin").expect("quiet hours");
    for (now, end) in [
        ("2026-01-10T20:59:59Z", None),
        ("2026-01-10T21:00:00Z", Some("2026-01-11T06:00:00Z")),
        ("2026-01-11T05:59:59Z", Some("2026-01-11T06:00:00Z")),
        ("2026-01-11T06:00:00Z", None),
        // Summer begins in this night.
        ("2026-03-28T22:00:00Z", Some("2026-03-29T05:00:00Z")),
    ] {
        assert_eq!(quiet.end(at(now)), end.map(at), "{now}");
    }
    // 02:30 does not exist in this night.
    let short = Quiet::parse("01:00-02:30", "Europe/Berlin").expect("quiet hours");
    assert_eq!(short.end(at("2026-03-29T00:10:00Z")), Some(at("2026-03-29T01:30:00Z")));
    let day = Quiet::parse("12:00 - 13:00", "UTC").expect("quiet hours");
    assert_eq!(day.end(at("2026-03-29T12:30:00Z")), Some(at("2026-03-29T13:00:00Z")));
    assert_eq!(day.end(at("2026-03-29T13:00:00Z")), None);
}

#[test]
fn what_is_critical_is_told_at_once() {
    let mut sleepy = rule("r", "*", &[Channel::Desktop]);
    sleepy.quiet = Some(Quiet::parse("22:00-07:00", "UTC").expect("quiet hours"));
    sleepy.digest = Some(Span::seconds(3600));
    let rules = rules([sleepy]);
    let now = at("2026-03-01T23:10:00Z");
    let due = |severity| rules.plan(&notice("custom", severity), now)[0].due;
    assert_eq!(due(Severity::Critical), now);
    assert_eq!(due(Severity::Warning), at("2026-03-02T07:00:00Z"));
    let planned = rules.plan(&notice("custom", Severity::Info), at("2026-03-01T20:10:00Z"));
    assert_eq!(planned[0].due, at("2026-03-01T21:00:00Z"));
    assert_eq!(planned[0].since, Some(at("2026-03-01T20:00:00Z")));
}

#[test]
fn a_rule_that_says_too_little_or_too_much_is_refused() {
    assert_eq!(rule("r", "*", &[]).check(), Err(RuleError::NoChannel));
    let command = rule("r", "*", &[Channel::Command]);
    assert!(matches!(command.check(), Err(RuleError::Incomplete { .. })));
    let mut url = rule("r", "*", &[Channel::Desktop]);
    url.url = Some("https://x/y".into());
    assert!(matches!(url.check(), Err(RuleError::Superfluous { .. })));
    url.channels = vec![Channel::Webhook];
    assert_eq!(url.check(), Ok(()));
    url.url = Some("ftp://x".into());
    assert!(matches!(url.check(), Err(RuleError::NotAnAddress(_))));
    for (hours, zone) in
        [("22-7", "UTC"), ("22:00", "UTC"), ("1:00-1:00", "UTC"), ("1:00-2:00", "X")]
    {
        assert!(Quiet::parse(hours, zone).is_err(), "{hours} {zone}");
    }
}

#[test]
fn rules_have_names_of_their_own() {
    let mut rules = Rules::default();
    assert_eq!(rules.fresh_id(), name("rule-1"));
    rules.add(rule("rule-1", "*", &[Channel::Tmux])).expect("it is the first");
    assert_eq!(rules.fresh_id(), name("rule-2"));
    let again = rules.add(rule("rule-1", "*", &[Channel::Tmux]));
    assert_eq!(again, Err(RuleError::Exists(name("rule-1"))));
    rules.remove(&name("rule-1")).expect("it is there");
    assert_eq!(rules.remove(&name("rule-1")), Err(RuleError::NotFound(name("rule-1"))));
}

#[test]
fn the_longest_window_counts() {
    let mut long = rule("a", "*", &[Channel::Tmux]);
    long.dedupe_window = Some(Span::seconds(3600));
    let notice = notice("custom", Severity::Info);
    assert_eq!(
        rules([rule("b", "*", &[Channel::Tmux]), long]).dedupe_window(&notice),
        Span::seconds(3600)
    );
    assert_eq!(Rules::default().dedupe_window(&notice), DEDUPE_WINDOW);
}
