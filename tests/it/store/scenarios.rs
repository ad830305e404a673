//! What is tried at every moment: the kinds of commits, and sequences of them.

use clawteam::core::{AgentName, TeamName};
use clawteam::store::{Dir, FsBackend, Key, Scope, StoreError};

use super::explore::Scenario;
use super::steps::{Step, Text, log_key};

pub(super) const A: &str = "{\"text\": \"a, and long enough to be torn in the middle\"}";
pub(super) const B: &str =
    "{\"text\": \"b, and of another length, so that nothing fits by chance\"}";
pub(super) const C: &str = "{\"text\": \"c\"}";

pub(super) fn team() -> TeamName {
    TeamName::parse("t").expect("a name")
}

pub(super) fn tasks() -> Scope {
    Scope::Tasks(team())
}

pub(super) fn mail() -> Scope {
    Scope::Mail(team())
}

pub(super) fn task(name: &str) -> Key {
    Dir::tasks(&team()).entry(&format!("task-{name}.json"))
}

pub(super) fn inbox(name: &str) -> Dir {
    Dir::inbox(&team(), &AgentName::parse(name).expect("a name"))
}

/// A document.
pub(super) fn doc(name: &str, text: &'static str) -> Text {
    (task(name), text, None)
}

/// A message with its history entry.
pub(super) fn message(to: &str, name: &str, text: &'static str) -> Text {
    (inbox(to).entry(&format!("{name}.json")), text, Some(log_key(name)))
}

/// A commit in the scope of the tasks.
pub(super) fn change(puts: Vec<Text>, deletes: &[&str]) -> Step {
    let deletes = deletes.iter().map(|name| task(name)).collect();
    Step::Commit { scope: tasks(), puts, deletes }
}

pub(super) fn broadcast(name: &'static str, text: &'static str) -> Step {
    let puts = ["ann", "bob", "eve"].map(|to| message(to, &format!("{name}-{to}"), text));
    Step::Commit { scope: mail(), puts: puts.into(), deletes: Vec::new() }
}

pub(super) fn scenario(name: &'static str, setup: Vec<Step>, steps: Vec<Step>) -> Scenario {
    Scenario { name, setup, interrupted: None, steps, scopes: vec![tasks(), mail()] }
}

/// Something small that makes the data directory and the usual collections.
pub(super) fn began() -> Vec<Step> {
    vec![
        change(vec![doc("old", A), doc("other", B)], &[]),
        Step::Create(message("ann", "msg-1", A)),
    ]
}

pub(super) fn settle(names: &[&'static str]) -> Step {
    Step::Settle { dir: inbox("ann"), names: names.to_vec() }
}

pub(super) fn commits() -> Vec<Scenario> {
    vec![
        scenario("one new document", began(), vec![change(vec![doc("new", A)], &[])]),
        scenario("one replaced document", began(), vec![change(vec![doc("old", B)], &[])]),
        scenario("one removed document", began(), vec![change(vec![], &["old"])]),
        scenario(
            "several documents",
            began(),
            vec![change(vec![doc("new", A), doc("old", B), doc("third", C)], &[])],
        ),
        scenario(
            "documents written and removed",
            began(),
            vec![change(vec![doc("new", A), doc("old", C)], &["other"])],
        ),
        scenario("several removed documents", began(), vec![change(vec![], &["old", "other"])]),
        scenario(
            "documents in a new data directory",
            vec![],
            vec![change(vec![doc("new", A), doc("old", B)], &[])],
        ),
        scenario(
            "one document in a new data directory",
            vec![],
            vec![change(vec![doc("new", A)], &[])],
        ),
        scenario(
            "documents in several collections, one of them new",
            began(),
            vec![Step::Commit {
                scope: tasks(),
                puts: vec![doc("new", A), (Dir::sessions(&team()).entry("ann.json"), B, None)],
                deletes: vec![task("old")],
            }],
        ),
    ]
}

pub(super) fn sequences() -> Vec<Scenario> {
    vec![
        scenario(
            "created, then removed",
            began(),
            vec![change(vec![doc("new", A)], &[]), change(vec![], &["new"])],
        ),
        scenario(
            "created, then removed, then created, with others",
            began(),
            vec![
                change(vec![doc("new", A), doc("old", B)], &[]),
                change(vec![doc("old", A)], &["new"]),
                change(vec![doc("new", A), doc("old", B)], &[]),
            ],
        ),
        scenario(
            "contents a, b, a",
            began(),
            vec![
                change(vec![doc("old", B), doc("other", C)], &[]),
                change(vec![doc("old", A), doc("other", B)], &[]),
            ],
        ),
        scenario(
            "several, then one of them alone",
            began(),
            vec![
                change(vec![doc("old", B), doc("new", C)], &[]),
                change(vec![doc("old", A)], &[]),
                change(vec![], &["new"]),
            ],
        ),
    ]
}

pub(super) fn messages() -> Vec<Scenario> {
    let two = || {
        let mut steps = began();
        steps.push(Step::Create(message("ann", "msg-2", B)));
        steps
    };
    vec![
        scenario("first message", vec![], vec![Step::Create(message("ann", "msg-1", A))]),
        scenario("next message", began(), vec![Step::Create(message("ann", "msg-2", B))]),
        scenario("broadcast", began(), vec![broadcast("msg-2", B)]),
        scenario(
            "broadcast to one",
            began(),
            vec![Step::Commit {
                scope: mail(),
                puts: vec![message("ann", "msg-2", B)],
                deletes: vec![],
            }],
        ),
        scenario("one settled", began(), vec![settle(&["msg-1"])]),
        scenario("two settled", two(), vec![settle(&["msg-1", "msg-2"])]),
        scenario("settled one by one", two(), vec![settle(&["msg-1"]), settle(&["msg-2"])]),
        scenario(
            "sent and settled",
            began(),
            vec![Step::Create(message("ann", "msg-2", B)), settle(&["msg-2"])],
        ),
        scenario(
            "settled without history so far",
            vec![Step::Create((inbox("ann").entry("msg-7.json"), A, None))],
            vec![settle(&["msg-7"])],
        ),
        scenario(
            "put aside",
            began(),
            vec![Step::PutAside {
                dir: inbox("ann"),
                name: "msg-1",
                to: Dir::dead_letters(&team(), &AgentName::parse("ann").expect("a name")),
            }],
        ),
    ]
}

pub(super) fn others() -> Vec<Scenario> {
    let journal = || Key::exit_journal(&team());
    let line = |line| Step::Append { key: journal(), line };
    let retire = Step::Retire {
        dirs: vec![Dir::tasks(&team()), Dir::team(&team())],
        last: Key::team(&team()),
        label: "t-1",
    };
    let mut team_setup = began();
    team_setup.push(Step::Commit {
        scope: Scope::Team(team()),
        puts: vec![(Key::team(&team()), A, None)],
        deletes: vec![],
    });
    vec![
        scenario("new collection", began(), vec![Step::CreateDir(inbox("new"))]),
        scenario("new collection, all new", vec![], vec![Step::CreateDir(inbox("new"))]),
        scenario("document set aside", began(), vec![Step::SetAside(task("old"))]),
        scenario("team retired", team_setup, vec![retire]),
        scenario("first line", vec![], vec![line("{\"line\": \"one of some length\"}")]),
        scenario(
            "two lines",
            began(),
            vec![
                line("{\"line\": \"one of some length\"}"),
                line("{\"line\": \"two of some length\"}"),
            ],
        ),
        scenario("next line", vec![line("{\"line\": 0}")], vec![line("{\"line\": 1}")]),
    ]
}

/// One program was killed before it had synced what everybody sees; another builds upon it.
pub(super) fn interrupted() -> Vec<Scenario> {
    let after = |name, setup, step, steps| Scenario {
        interrupted: Some(step),
        ..scenario(name, setup, steps)
    };
    vec![
        after(
            "several documents after a document that is not durable",
            began(),
            change(vec![doc("old", B)], &[]),
            vec![change(vec![doc("old", C), doc("other", A)], &[])],
        ),
        after(
            "several documents after a removal that is not durable",
            began(),
            change(vec![], &["old"]),
            vec![change(vec![doc("old", C), doc("other", A)], &[])],
        ),
        after(
            "a document in a collection that is not durable",
            vec![],
            Step::CreateDir(Dir::tasks(&team())),
            vec![change(vec![doc("new", A)], &[])],
        ),
        after(
            "a message into an inbox that is not durable",
            began(),
            Step::CreateDir(inbox("bob")),
            vec![Step::Create(message("bob", "msg-2", B))],
        ),
        after(
            "a line after a line that is not durable",
            began(),
            Step::Append { key: Key::exit_journal(&team()), line: "{\"line\": 0}" },
            vec![Step::Append { key: Key::exit_journal(&team()), line: "{\"line\": 1}" }],
        ),
        after(
            "one document after half a commit",
            began(),
            change(vec![doc("old", B), doc("new", B)], &[]),
            vec![change(vec![doc("old", A)], &[])],
        ),
        after(
            "a commit after half a commit",
            began(),
            change(vec![doc("old", B), doc("new", B)], &["other"]),
            vec![change(vec![doc("old", C), doc("other", A)], &["new"])],
        ),
    ]
}

/// Sends a message to `ann` and receives it.
pub(super) fn send_and_settle(backend: &FsBackend) -> Result<(), StoreError> {
    Step::Create(message("ann", "msg-1", A)).run(backend)?;
    settle(&["msg-1"]).run(backend)
}

/// Everything that is tried.
pub(super) fn all() -> Vec<Scenario> {
    [commits(), sequences(), messages(), others(), interrupted()].concat()
}

/// The scenario of that name.
pub(super) fn named(name: &str) -> Scenario {
    let scenario = all().into_iter().find(|scenario| scenario.name == name);
    scenario.unwrap_or_else(|| panic!("no scenario is called {name:?}"))
}
