//! What agents of a run are told.

use super::contract::Contract;
use super::{EVALUATOR, EXECUTOR, Harness, PLANNER};

/// What an agent of the present role is to do. `branches` are those of the executors.
pub fn task(run: &Harness, branches: &[String]) -> String {
    let Harness { team_name: team, goal, .. } = run;
    let role = run.role().unwrap_or_default();
    let phases: Vec<&str> = run
        .phases
        .iter()
        .skip(run.position(&run.current_phase).unwrap_or(0))
        .take_while(|phase| run.role_of(phase) == Some(role))
        .map(String::as_str)
        .collect();
    let what = match role {
        PLANNER => planner(team),
        EXECUTOR => executor(team),
        EVALUATOR => evaluator(team, branches),
        other => format!("Work as the {other} of this phase.\n"),
    };
    format!("## Phase: {}\n\n## Goal: {goal}\n\n{what}", phases.join(", "))
}

fn planner(team: &str) -> String {
    format!(
        "You plan; you do not build. Look at what is there and find out what is to be done.\n\
         \n\
         1. Write what shall be made, and how one sees that it is, to a file, and hand it in:\n\
         \x20  `clawteam harness artifact add {team} spec.md --file <file>`\n\
         2. Cut the work into sprint contracts, each a JSON file of its own, and hand in each:\n\
         \x20  `clawteam harness artifact add {team} sprint-contract-001.json --file <file>`\n\
         \x20  {{\"id\": \"001\", \"title\": \"…\", \"description\": \"…\", \"tasks\": [\"…\"],\n\
         \x20   \"success_criteria\": [{{\"description\": \"…\", \"test_command\": \"…\"}}],\n\
         \x20   \"wave\": 1, \"depends_on\": []}}\n\
         \x20  Contracts of one wave are worked on at the same time, so they must not touch the \
         same files; a wave begins when all contracts of lower waves are done. `depends_on` names \
         contracts by id.\n\
         3. When all contracts are handed in, say so: `clawteam lifecycle idle {team}`\n\
         4. `clawteam harness status {team}` shows what is still missing. Where a person has to \
         approve, that is not for you to do.\n"
    )
}

fn executor(team: &str) -> String {
    format!(
        "You build. Each of your tasks is a contract.\n\
         \n\
         1. Read the specification: `clawteam harness artifact show {team} spec.md`\n\
         2. Take your tasks one after the other: `clawteam task claim {team} next`\n\
         3. Run the commands of a contract's success criteria before you call it completed, and \
         commit first.\n"
    )
}

fn evaluator(team: &str, branches: &[String]) -> String {
    let mut text = format!(
        "You evaluate; you did not build this, and you do not repair it. Hold what was made \
         against each success criterion.\n\
         \n\
         1. Read `clawteam harness artifact show {team} spec.md` and the contracts: \
         `clawteam --json harness contracts {team}`\n"
    );
    if !branches.is_empty() {
        text.push_str("2. The work is on these branches; merge them into yours to try it:\n");
        for branch in branches {
            text.push_str(&format!("   `git merge --no-edit {branch}`\n"));
        }
    }
    text.push_str(&format!(
        "3. Run every test command, and look at what no command can tell.\n\
         4. Hand in your report, a JSON file: \
         `clawteam harness artifact add {team} eval-report.json --file <file>`\n\
         \x20  {{\"passed\": true or false, \"summary\": \"…\", \"criteria\": [{{\"contract\": \"…\", \
         \"description\": \"…\", \"passed\": true}}]}}\n"
    ));
    text
}

/// What a role does, in a sentence, as the type of a team member is explained.
pub fn intent(role: &str) -> &'static str {
    match role {
        PLANNER => "A specification and contracts that others can work by without asking.",
        EXECUTOR => "Contracts that are fulfilled, committed, and pass their own test commands.",
        EVALUATOR => "An honest report on what was made, criterion by criterion.",
        _ => "The work of this phase.",
    }
}

/// The description of a contract's task.
pub fn description(contract: &Contract) -> String {
    let mut text = contract.description.clone();
    if !contract.tasks.is_empty() {
        text.push_str("\n\nParts:\n");
        for part in &contract.tasks {
            text.push_str(&format!("- {part}\n"));
        }
    }
    if !contract.success_criteria.is_empty() {
        text.push_str("\n\nDone when:\n");
        for criterion in &contract.success_criteria {
            text.push_str(&format!("- {}", criterion.description));
            if !criterion.test_command.is_empty() {
                text.push_str(&format!(" (test: `{}`)", criterion.test_command));
            }
            text.push('\n');
        }
    }
    text.trim().to_owned()
}
