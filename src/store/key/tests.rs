use super::*;

#[test]
fn a_journal_tells_its_scope() {
    let team = || TeamName::parse("a-b.c").expect("a name");
    let agent = || AgentName::parse("w-1.a_b").expect("a name");
    let name = || Name::parse("0123-abcd").expect("a name");
    let scopes = [
        Scope::Settings,
        Scope::Credentials,
        Scope::Team(team()),
        Scope::Tasks(team()),
        Scope::Mail(team()),
        Scope::SpawnRegistry(team()),
        Scope::AgentHealth(team()),
        Scope::Harness(team()),
        Scope::Workspaces(team()),
        Scope::Repository(name()),
        Scope::Workflow(team(), name()),
        Scope::Run(team(), name()),
        Scope::Approvals(team()),
        Scope::Breakers,
        Scope::Queue(team()),
        Scope::Schedules(team()),
        Scope::Notifications(team()),
        Scope::Artifacts(team()),
        Scope::Agent(team(), agent()),
        Scope::Ports,
        Scope::AgentState(team(), agent()),
        Scope::Terminal(team(), agent()),
        Scope::Runtime(team()),
    ];
    for scope in scopes {
        assert_eq!(Scope::of_journal(scope.journal_file().name()), Some(scope));
    }
    assert_eq!(Scope::of_journal("else-x.json"), None);
}
