//! Each kind of node of openclaw-orchestrator as one of ours.

use serde_json::{Map, Value, json};

use super::expr::{self, Translated, quoted};
use super::{Found, Work};
use crate::domain::workflow::definition::Problem;

/// Kinds whose results conditions look at.
const PRODUCERS: &[&str] = &["task", "meeting", "debate"];

pub(super) fn translate(work: &mut Work) {
    let olds: Vec<String> = work.found.keys().cloned().collect();
    for old in &olds {
        let mut made = Map::new();
        let found = &work.found[old];
        let id = found.id.clone();
        let kind = found.kind().to_owned();
        made.insert("type".into(), kind.clone().into());
        let label = found.text("label");
        if !label.is_empty() && label != *old {
            made.insert("label".into(), label.into());
        }
        if let Some(position) = found.fields.get("position") {
            made.insert("position".into(), position.clone());
        }
        match kind.as_str() {
            "task" => task(work, old, &mut made),
            "condition" => condition(work, old, &mut made),
            "join" | "parallel" => join(work, old, &mut made),
            "approval" => approval(work, old, &mut made),
            "meeting" | "debate" => meeting(work, old, &mut made),
            // The rules tell that there is no such type; there it was passed over.
            _ => {}
        }
        work.nodes.insert(id, Value::Object(made));
    }
    let arrows = work.arrows.clone();
    for (from, to, word) in arrows {
        if work.found.get(&from).is_some_and(|found| found.is(&["condition"])) {
            continue;
        }
        if !word.is_empty() {
            let text = format!("the word '{word}' on the edge to '{to}' decides nothing");
            let id = work.id(&from);
            work.warn("import_edge_label", &id, text);
        }
        work.edge(&from, &to, None, &word);
    }
}

/// Seconds or minutes as a length of time.
fn span(number: i64, unit: &str) -> Option<Value> {
    (number > 0).then(|| Value::from(format!("{number}{unit}")))
}

/// Text in which braces mean nothing.
fn literal(text: &str) -> String {
    text.replace("{{", "\\{{")
}

fn task(work: &mut Work, old: &str, made: &mut Map<String, Value>) {
    let found = &work.found[old];
    let id = found.id.clone();
    let agent = found.text("agentId");
    if !agent.is_empty() && agent != "unknown" {
        made.insert("assign".into(), json!({"agent": agent}));
    }
    let mut prompt = literal(&found.text("task"));
    let context = found.text("teamContext");
    if !context.is_empty() {
        if !prompt.is_empty() {
            prompt.push_str("\n\n");
        }
        prompt.push_str(&literal(&context));
    }
    made.insert("prompt".into(), prompt.into());
    let linked = found.text("taskId");
    if !linked.is_empty() {
        made.insert("linkTask".into(), linked.clone().into());
    }
    let seconds = found.number("timeoutSeconds");
    if let Some(timeout) = seconds.and_then(|seconds| span(seconds, "s")) {
        made.insert("timeout".into(), timeout);
    }
    let retries = found.number("maxRetries").filter(|retries| *retries > 0);
    if let Some(retries) = retries {
        let delay = found.number("retryDelayMs").unwrap_or(2000).max(0);
        let retry =
            json!({"max": retries, "delay": format!("{delay}ms"), "factor": 1, "jitter": 0});
        made.insert("retry".into(), retry);
    }
    let checks = checks(found);
    if !checks.is_empty() {
        made.insert("checks".into(), Value::Object(checks));
    }
    let unused: Vec<&str> = ["riskLevel", "requiresDependency"]
        .into_iter()
        .filter(|name| found.fields.contains_key(*name))
        .collect();
    if !linked.is_empty() {
        let text = format!("the task '{linked}' tells the state of this node, and is not changed");
        work.warn("import_linked_task", &id, text);
    }
    if seconds.is_none() {
        let text = "without a time an agent had 120 s there; here it has 2 h";
        work.warn("import_timeout", &id, text);
    }
    if retries.is_some() {
        let text = "a timeout is tried again, too; there only other failures were";
        work.warn("import_retry", &id, text);
    }
    if !unused.is_empty() {
        let text = format!("{} had no effect and was left out", unused.join(" and "));
        work.warn("import_left_out", &id, text);
    }
}

fn checks(found: &Found) -> Map<String, Value> {
    let mut checks = Map::new();
    if found.fields.get("requireResponse") == Some(&Value::Bool(false)) {
        checks.insert("requireResponse".into(), false.into());
    }
    if let Some(length) = found.number("minOutputLength").filter(|length| *length != 1) {
        checks.insert("minOutputLength".into(), length.max(0).into());
    }
    if found.fields.get("requireArtifacts") == Some(&Value::Bool(true)) {
        checks.insert("requireArtifacts".into(), true.into());
    }
    let pattern = found.text("successPattern");
    if !pattern.is_empty() {
        checks.insert("successPattern".into(), pattern.into());
    }
    checks
}

/// CEL for the text that a condition looked at: the results of the work before it.
fn looked_at(work: &Work, old: &str) -> String {
    let producer = |old: &String| work.found.get(old).is_some_and(|found| found.is(PRODUCERS));
    let direct = work.before(old);
    if direct.len() == 1 && producer(&direct[0]) {
        return "last.text".to_owned();
    }
    // Decisions and joins passed on what came before them.
    let mut pending = direct;
    let mut seen: Vec<String> = Vec::new();
    let mut sources: Vec<String> = Vec::new();
    while let Some(next) = pending.pop() {
        if seen.contains(&next) {
            continue;
        }
        seen.push(next.clone());
        if producer(&next) {
            sources.push(next);
        } else {
            pending.extend(work.before(&next));
        }
    }
    if sources.is_empty() {
        return "\"\"".to_owned();
    }
    // In the order of the definition.
    let order = work.found.keys().filter(|old| sources.contains(old));
    let texts = order.map(|old| {
        let id = quoted(&work.id(old));
        format!("get(get(nodes, {id}, {{}}), \"text\", \"\")")
    });
    texts.collect::<Vec<_>>().join(" + \"\\n\" + ")
}

/// The names for a condition that holds, and for one that does not.
fn answer(branch: &str) -> Option<&'static str> {
    match branch.to_lowercase().as_str() {
        "yes" | "true" => Some("yes"),
        "no" | "false" => Some("no"),
        _ => None,
    }
}

fn condition(work: &mut Work, old: &str, made: &mut Map<String, Value>) {
    let found = &work.found[old];
    let id = found.id.clone();
    let expression = found.text("expression");
    let mut branches = found.branches();
    let edges: Vec<(String, String)> = work
        .arrows
        .iter()
        .filter(|(from, ..)| from == old)
        .map(|(_, to, word)| (word.clone(), to.clone()))
        .collect();
    if branches.is_empty() {
        // Its edges were ignored there; they are what its author saw.
        for (n, (word, to)) in edges.iter().enumerate() {
            let unnamed = ["yes", "no"][n.min(1)].to_owned();
            let name = if word.is_empty() { unnamed } else { word.clone() };
            branches.push((name, to.clone()));
        }
        let text = "it has no branches, so that the run ended here there; its edges are followed";
        work.warn("import_branches", &id, text);
    } else {
        for (_, to) in edges.iter().filter(|(_, to)| !branches.iter().any(|(_, b)| b == to)) {
            let text =
                format!("the edge to '{to}' is no branch, was not followed, and is left out");
            work.warn("import_branches", &id, text);
        }
    }
    let text = looked_at(work, old);
    let plain = branches.iter().all(|(name, _)| answer(name).is_some());
    match expr::segments(&expression) {
        Some(segments) => switch(work, old, made, &branches, segments, &text),
        None if plain => yes_or_no(work, old, made, &branches, expr::translate(&expression, &text)),
        None => {
            let custom = branches.iter().find(|(name, _)| answer(name).is_none());
            let yes = branches.iter().find(|(name, _)| answer(name) == Some("yes"));
            let taken = yes.or(custom).map_or("yes", |(name, _)| name).to_owned();
            switch(work, old, made, &branches, vec![(taken, expression)], &text);
        }
    }
}

fn notes(work: &mut Work, id: &str, translated: &Translated) {
    for note in &translated.notes {
        work.warn("import_expression", id, *note);
    }
    if translated.may_fail {
        let text = "what cannot be evaluated counts as false, as there (onError)";
        work.warn("import_on_error", id, text);
    }
}

fn yes_or_no(
    work: &mut Work,
    old: &str,
    made: &mut Map<String, Value>,
    branches: &[(String, String)],
    translated: Translated,
) {
    let id = work.id(old);
    made.insert("expr".into(), translated.cel.clone().into());
    if translated.may_fail {
        made.insert("onError".into(), "false".into());
    }
    notes(work, &id, &translated);
    for port in ["yes", "no"] {
        match branches.iter().find(|(name, _)| answer(name) == Some(port)) {
            Some((_, to)) => work.edge(old, to, Some(port), ""),
            None => ends(work, old, port),
        }
    }
}

fn switch(
    work: &mut Work,
    old: &str,
    made: &mut Map<String, Value>,
    branches: &[(String, String)],
    segments: Vec<(String, String)>,
    text: &str,
) {
    let id = work.id(old);
    made.insert("type".into(), "switch".into());
    let known = |name: &str| branches.iter().any(|(branch, _)| branch == name);
    let mut cases = Vec::new();
    let mut all = Translated::default();
    let mut missing: Vec<String> = Vec::new();
    for (branch, condition) in segments {
        // There, `yes` and `true` meant the same, and so did `no` and `false`.
        let same = branches
            .iter()
            .find(|(name, _)| answer(name).is_some() && answer(name) == answer(&branch));
        let branch = match same {
            Some((name, _)) if !known(&branch) => name.clone(),
            _ => branch,
        };
        let translated = expr::translate(&condition, text);
        all.notes.extend(translated.notes);
        all.may_fail |= translated.may_fail;
        if !known(&branch) && !missing.contains(&branch) {
            missing.push(branch.clone());
        }
        cases.push(json!({"when": translated.cel, "branch": branch}));
    }
    all.notes.sort_unstable();
    all.notes.dedup();
    let no = branches.iter().find(|(name, _)| answer(name) == Some("no"));
    let default = no.map_or("no", |(name, _)| name).to_owned();
    if no.is_none() && !missing.contains(&default) {
        missing.push(default.clone());
    }
    made.insert("cases".into(), cases.into());
    made.insert("default".into(), default.into());
    if all.may_fail {
        made.insert("onError".into(), "false".into());
    }
    notes(work, &id, &all);
    for (name, to) in branches {
        work.edge(old, to, Some(name), "");
    }
    for port in missing {
        ends(work, old, &port);
    }
}

/// A branch without a target: there the run just ended, here it ends at a node.
fn ends(work: &mut Work, old: &str, port: &str) {
    let id = work.id(old);
    let end = work.fresh(&format!("{id}-{}", super::good_id(port)));
    work.nodes.insert(end.clone(), json!({"type": "end"}));
    work.edges.push(json!({"from": id, "to": end, "port": port}));
    let text = format!("the branch '{port}' led nowhere; here it leads to the end '{end}'");
    work.warn("import_end", &id, text);
}

fn join(work: &mut Work, old: &str, made: &mut Map<String, Value>) {
    let found = &work.found[old];
    let id = found.id.clone();
    let (way, prefer) = (found.text("joinMode"), found.text("preferredSourceNodeId"));
    made.insert("type".into(), "join".into());
    match way.to_lowercase().as_str() {
        "" | "and" => {}
        "or" => {
            made.insert("mode".into(), "or".into());
        }
        "xor" => {
            made.insert("mode".into(), "xor".into());
            let first = work.before(old).first().cloned().unwrap_or_default();
            let text = if prefer.is_empty() {
                "it preferred none and took the first; here it prefers the first edge's node"
            } else {
                "if the preferred node cannot come any more, another one is taken; there the run \
                 just ended"
            };
            let wanted = if prefer.is_empty() { first } else { prefer };
            made.insert("prefer".into(), work.id(&wanted).into());
            work.warn("import_join", &id, text);
        }
        other => {
            let text = format!("the mode '{other}' is not known, and was `and` there");
            work.warn("import_join", &id, text);
        }
    }
}

/// Who decides, in our words.
fn approver(work: &Work, found: &Found) -> (String, Option<String>) {
    let value = found.fields.get("approver");
    let name = match value {
        Some(Value::String(name)) => name.trim().to_owned(),
        Some(Value::Object(object)) => ["agentId", "agent_id", "id", "value", "name"]
            .iter()
            .find_map(|key| object.get(*key)?.as_str())
            .unwrap_or_default()
            .to_owned(),
        _ => String::new(),
    };
    let agent = name.strip_prefix("agent:").or_else(|| name.strip_prefix('@'));
    if let Some(agent) = agent {
        return (format!("agent:{agent}"), None);
    }
    if name.is_empty() || name == "web-user" || name == "human" {
        return ("human".to_owned(), None);
    }
    let known = work.found.values().any(|other| other.text("agentId") == name);
    if known || matches!(value, Some(Value::Object(_))) {
        return (format!("agent:{name}"), None);
    }
    let note = format!("'{name}' is no agent of this workflow: a person decides");
    ("human".to_owned(), Some(note))
}

fn approval(work: &mut Work, old: &str, made: &mut Map<String, Value>) {
    let found = &work.found[old];
    let id = found.id.clone();
    let title = [found.text("title"), found.text("label"), "Approval".to_owned()];
    let title = title.into_iter().find(|title| !title.is_empty()).unwrap_or_default();
    made.insert("title".into(), literal(&title).into());
    let details = found.text("description");
    if !details.is_empty() {
        made.insert("details".into(), literal(&details).into());
    }
    let (who, note) = approver(work, found);
    made.insert("approvers".into(), json!([who]));
    let on_timeout = found.text("onTimeout").to_lowercase();
    let minutes = found.number("timeoutMinutes").unwrap_or(5).max(1);
    if on_timeout.is_empty() || on_timeout == "reject" {
        made.insert("timeout".into(), format!("{minutes}m").into());
    } else {
        made.insert("onTimeout".into(), "none".into());
        let text = format!("onTimeout '{on_timeout}' never ended the wait there, nor does it here");
        work.warn("import_timeout", &id, text);
    }
    if let Some(note) = note {
        work.warn("import_approver", &id, note);
    }
    match nearest_tasks(work, old).as_slice() {
        [] => {
            let text = "no task comes before it: a rejection fails the run, as there";
            work.warn("import_rework", &id, text);
        }
        [task] => {
            let task = work.id(task);
            let text = format!(
                "a rejection leads back to '{task}', at most 3 times (maxRework), with all \
                 comments so far; there with the last one only"
            );
            made.insert("rework".into(), json!([task]));
            work.warn("import_rework", &id, text);
        }
        several => {
            let names: Vec<String> =
                several.iter().map(|old| format!("'{}'", work.id(old))).collect();
            let text = format!("a rejection could lead back to {}", names.join(" or "));
            let path = format!("nodes.{id}.rework");
            let problem = Problem::error("import_ambiguous_rework", path, text);
            work.problems.push(problem.hint(
                "it failed there, too; leave one of them directly before the approval, or bring \
                 them together in a task",
            ));
        }
    }
}

/// The tasks before a node with the fewest steps between.
fn nearest_tasks(work: &Work, old: &str) -> Vec<String> {
    let mut seen = vec![old.to_owned()];
    let mut row = work.before(old);
    while !row.is_empty() {
        let is_task = |old: &&String| work.found.get(*old).is_some_and(|found| found.is(&["task"]));
        let tasks: Vec<String> = row.iter().filter(is_task).cloned().collect();
        if !tasks.is_empty() {
            return tasks;
        }
        seen.extend(row.iter().cloned());
        let mut next: Vec<String> = Vec::new();
        for before in row.iter().flat_map(|old| work.before(old)) {
            if !seen.contains(&before) && !next.contains(&before) {
                next.push(before);
            }
        }
        row = next;
    }
    Vec::new()
}

fn meeting(work: &mut Work, old: &str, made: &mut Map<String, Value>) {
    let found = &work.found[old];
    let id = found.id.clone();
    let debate = found.is(&["debate"]);
    let participants: Vec<String> = match found.fields.get("participants") {
        Some(Value::Array(list)) => {
            list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        _ => Vec::new(),
    };
    let topic = [found.text("topic"), found.text("label"), old.to_owned()];
    let mut topic = topic.into_iter().find(|topic| !topic.is_empty()).unwrap_or_default();
    let more = found.text("topicDescription");
    if !more.is_empty() {
        topic = format!("{topic}\n\n{more}");
    }
    made.insert("type".into(), "meeting".into());
    made.insert("topic".into(), literal(&topic).into());
    let kind = found.text("meetingType").to_lowercase();
    let kinds = ["standup", "kickoff", "review", "brainstorm", "decision", "retro"];
    let kind = if debate { "decision".to_owned() } else { kind };
    if kinds.contains(&kind.as_str()) {
        made.insert("meetingType".into(), kind.into());
    }
    let lead = [found.text("judgeAgentId"), found.text("leadAgentId")];
    if let Some(lead) = lead.into_iter().find(|lead| !lead.is_empty()) {
        made.insert("lead".into(), lead.into());
    }
    let (rounds, sides) = (found.number("maxRounds").unwrap_or(3).clamp(1, 5), participants.len());
    let elsewhere = !found.text("teamId").is_empty();
    made.insert("participants".into(), participants.into());
    if debate {
        made.insert("rounds".into(), rounds.into());
        made.insert("onMissing".into(), "fail".into());
        made.insert("minSpeakers".into(), 2.into());
        let text = "it becomes a meeting of the two sides with a lead who decides; it does not end \
                    early when they agree";
        work.warn("import_debate", &id, text);
        if sides != 2 {
            let text = format!("a debate has two sides, not {sides}; there it failed in silence");
            let path = format!("nodes.{id}.participants");
            work.problems.push(Problem::error("import_debate_sides", path, text));
        }
    }
    if elsewhere {
        let text = "another team cannot be named: the agents are those of this team";
        work.warn("import_left_out", &id, text);
    }
    let text = "if it fails, the run fails; there it went on (onFailure = \"continue\" does that)";
    work.warn("import_meeting", &id, text);
}
