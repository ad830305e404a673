//! How an agent is started again: with its old conversation if that is to be had, otherwise anew,
//! and in either case told what waits for it.

use super::{App, inbox, session, start, task, team};
use crate::core::{AgentName, Outcome, TeamName};
use crate::domain::Extra;
use crate::domain::agent::{Again, Form, LaunchPlan, PROMPT_MARK, SESSION_MARK};
use crate::domain::agent_cli::{self, AgentCli, Call, CommandLine};
use crate::domain::session::back::{self, Back};
use crate::domain::session::{Client, Session};
use crate::domain::task::Status;

/// How the agent of a command line is started again.
pub(super) fn forms(cli: &AgentCli, call: &Call<'_>, line: &CommandLine) -> Again {
    let uuid = line.session.as_deref().filter(|session| *session == call.uuid);
    // The first start may itself have gone on with a session; a new one must not.
    let fresh = if call.resume.is_some() {
        let fresh = agent_cli::command_line(cli, &Call { resume: None, ..call.clone() });
        Form::of(&fresh.argv, fresh.paste, call.uuid, fresh.prompt_at)
    } else {
        Form::of(&line.argv, line.paste, uuid.unwrap_or_default(), line.prompt_at)
    };
    Again { prompt: line.prompt.clone(), fresh, resume: resume(cli, call), extra: Extra::new() }
}

fn resume(cli: &AgentCli, call: &Call<'_>) -> Option<Form> {
    if cli.resume.of(call.backend).is_empty() {
        return None;
    }
    let command = match Client::of(cli) {
        Some(client) => client.without_session(call.command),
        None => call.command.to_vec(),
    };
    // Where the program has no option for it, the conversation holds it already.
    let has_option = !cli.system_prompt.of(call.backend).is_empty();
    let line = agent_cli::command_line(
        cli,
        &Call {
            command: &command,
            resume: Some(SESSION_MARK),
            prompt: Some(PROMPT_MARK),
            system_prompt: call.system_prompt.filter(|_| has_option),
            ..call.clone()
        },
    );
    let marked = line.argv.iter().any(|word| word.contains(SESSION_MARK));
    marked.then_some(Form { argv: line.argv, paste: line.paste })
}

/// The session that an agent can go on with: one that its program was seen to have written, or
/// that a person named, in the directory where the program looks for it.
pub(super) fn resumable(
    app: &App,
    team: &TeamName,
    agent: &AgentName,
    client: Option<Client>,
) -> Outcome<Option<String>> {
    let known = session::find(app, team, agent)?.filter(|known| !known.session_id.is_empty());
    let fits = |known: &Session| match Client::parse(known.client()) {
        Some(of) => Some(of) == client,
        None => known.client().is_empty(),
    };
    let told = |known: &Session| {
        matches!(known.source(), "manual" | "environment" | "hook" | "client-list")
    };
    let seen = |known: &Session| known.is_verified() || told(known);
    Ok(known.filter(|known| fits(known) && seen(known)).map(|known| known.session_id))
}

/// The plan for starting an agent again, and the session that it goes on with. `why` ends the
/// sentence that tells the agent.
pub(super) fn plan(
    app: &App,
    old: &LaunchPlan,
    why: &str,
) -> Outcome<(LaunchPlan, Option<String>)> {
    let (team, agent) = start::names(old)?;
    let instance = app.ids.hex(12);
    let Some(again) = old.again.clone() else {
        // Planned by an earlier version.
        return Ok((LaunchPlan { instance, ..old.clone() }, None));
    };
    let back = news(app, &team, &agent, old, why)?;
    let client = session::client_of_plan(old);
    let id = resumable(app, &team, &agent, client)?;
    if let (Some(form), Some(id)) = (&again.resume, id) {
        // One that was never told anything is not told anything now, unless something waits.
        let silent = again.prompt.is_none() && back.unread == 0 && back.tasks.is_empty();
        let prompt = (!silent).then(|| back::resumed(&back));
        let form = if is_own_name(client, old, &id) { &again.fresh } else { form };
        let argv = filled(form, &id, prompt.as_deref());
        let paste = form.paste && prompt.is_some();
        return Ok((LaunchPlan { instance, argv, prompt, paste, ..old.clone() }, Some(id)));
    }
    let prompt = again.prompt.as_ref().map(|first| format!("{first}\n{}", back::afresh(&back)));
    let form = &again.fresh;
    let argv = form.fill(&super::spawn::uuid(&app.ids.hex(32)), prompt.as_deref().unwrap_or(""));
    let paste = form.paste && prompt.is_some();
    Ok((LaunchPlan { instance, argv, prompt, paste, ..old.clone() }, None))
}

/// Whether a session has the name that its program is given at every start, and so goes on with
/// by itself: OpenClaw finds a session by its name.
fn is_own_name(client: Option<Client>, plan: &LaunchPlan, id: &str) -> bool {
    client == Some(Client::Openclaw) && id == format!("clawteam-{}-{}", plan.team, plan.agent)
}

/// The command line of `form`. Without a prompt, what would carry it is left out.
fn filled(form: &Form, session: &str, prompt: Option<&str>) -> Vec<String> {
    let Some(prompt) = prompt else {
        let mut argv = form.argv.clone();
        if let Some(at) = argv.iter().position(|word| word.contains(PROMPT_MARK)) {
            argv.remove(at);
            // The option before it, if there is one.
            if at > 1 && argv[at - 1].starts_with('-') && !argv[at - 1].contains('=') {
                argv.remove(at - 1);
            }
        }
        return Form { argv, paste: false }.fill(session, "");
    };
    form.fill(session, prompt)
}

/// What waits for an agent.
fn news<'a>(
    app: &App,
    team: &'a TeamName,
    agent: &'a AgentName,
    plan: &'a LaunchPlan,
    why: &'a str,
) -> Outcome<Back<'a>> {
    let inbox = team::own_inbox_of(app, team, agent)?;
    let own = |task: &crate::domain::task::Task| {
        task.status != Status::Completed
            && task.closed().is_none()
            && task::worker(task) == agent.as_str()
    };
    let tasks = task::all(app, team)?;
    let tasks = tasks
        .iter()
        .filter(|task| own(task))
        .map(|task| (task.id.clone(), task.status.as_str().to_owned(), task.subject.clone()));
    Ok(Back {
        agent: agent.as_str(),
        team: team.as_str(),
        cwd: &plan.cwd,
        why,
        unread: inbox::count(app, team, &inbox)?,
        tasks: tasks.collect(),
    })
}
